// The sidecar's view of the API keys: the same file, the same parser and the same generation as nginx's.

import { readFileSync, statSync } from 'node:fs';
import type { FastifyBaseLogger } from 'fastify';
import { keysGeneration, parseEnvironmentKeys, parseKeyFile } from '../auth/key_file.js';
import type { KeyEntry } from '../auth/key_entry.js';
import { nodePlatform } from './platform.js';

export interface KeyStoreOptions {
  /** Empty for none. */
  path: string;
  apiKey: string;
  apiKeys: string;
  maxStaleSeconds: number;
  log: Pick<FastifyBaseLogger, 'error' | 'warn' | 'info'>;
}

/** One loaded set; never changed once made. */
export interface LoadedKeys {
  generation: string;
  byDigest: Map<string, KeyEntry>;
  hashedById: Map<string, KeyEntry>;
  hashedWithoutId: KeyEntry[];
}

export interface KeyStore {
  /**
   * The keys that count now.
   * @param wanted nginx's generation: on another one the file is read again first
   * @returns undefined when none could be loaded, or the last good ones are too old
   */
  current: (wanted: string) => LoadedKeys | undefined;
}

const complainEveryMs = 60000;

/** Opens the store and reads it once. */
export function openKeyStore(options: KeyStoreOptions): KeyStore {
  const { path, maxStaleSeconds, log } = options;
  let loaded: LoadedKeys | undefined;
  let mark = '';
  let failingSinceMs: number | undefined;
  let complainedMs = 0;

  const reload = () => {
    const seen = fileMark(path); // before the text: a change in between shows at the next look
    const text = path === '' ? '' : readFileSync(path, 'utf8');
    if (path !== '' && text === '') throw new Error('zero bytes long');
    failingSinceMs = undefined;
    mark = seen;
    if (loaded?.generation === generationOf(text, options)) return;
    loaded = loadKeys(text, options);
    log.info({ generation: loaded.generation }, 'keys taken up');
  };

  const current = (wanted: string): LoadedKeys | undefined => {
    const nowMs = Date.now();
    try {
      const isSame = loaded !== undefined && wanted === loaded.generation && fileMark(path) === mark;
      if (!isSame || failingSinceMs !== undefined) reload();
    } catch (error) {
      failingSinceMs ??= nowMs;
      if (nowMs - complainedMs >= complainEveryMs) {
        complainedMs = nowMs;
        log.error(
          { file: path, why: describe(error) },
          'key file not readable; the last good keys stay in use',
        );
      }
      loaded ??= isSet(options) ? loadKeys('', options) : undefined;
      if (nowMs - failingSinceMs >= maxStaleSeconds * 1000) return undefined;
    }
    return loaded;
  };

  current('');
  return { current };
}

function isSet(options: KeyStoreOptions): boolean {
  return options.apiKey !== '' || options.apiKeys !== '';
}

function fileMark(path: string): string {
  if (path === '') return 'none';
  const { mtimeMs, size, ino } = statSync(path);
  return `${mtimeMs}:${size}:${ino}`;
}

function describe(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? (error as Error).message;
}

function generationOf(fileText: string, { apiKey, apiKeys }: KeyStoreOptions): string {
  return keysGeneration({ apiKey, apiKeys, fileText }, nodePlatform);
}

function loadKeys(text: string, options: KeyStoreOptions): LoadedKeys {
  const { apiKey, apiKeys } = options;
  const fromFile = parseKeyFile(text, nodePlatform);
  const fromEnvironment = parseEnvironmentKeys(apiKey, apiKeys, nodePlatform);
  for (const { line, problem } of [...fromFile.problems, ...fromEnvironment.problems]) {
    options.log.warn({ file: options.path, line, problem }, 'key line not used');
  }
  const loaded: LoadedKeys = {
    generation: generationOf(text, options),
    byDigest: new Map(),
    hashedById: new Map(),
    hashedWithoutId: [],
  };
  for (const entry of [...fromEnvironment.entries, ...fromFile.entries]) {
    if (entry.kind !== 'bcrypt') {
      if (!loaded.byDigest.has(entry.hash)) loaded.byDigest.set(entry.hash, entry);
    } else if (entry.id === '') loaded.hashedWithoutId.push(entry);
    else loaded.hashedById.set(entry.id, entry);
  }
  return loaded;
}
