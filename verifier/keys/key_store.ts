// The sidecar's view of the API keys: the same file, the same parser and the same generation as nginx's. A set
// answers only while it is as fresh as the file, or the very one that nginx uses.

import { statSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { FastifyBaseLogger } from 'fastify';
import { judgeChange, noteRead, noteUnreadable, versionOf, type SeenFile } from '../../auth/file_change.js';
import { maxKeyFileBytes } from '../../auth/key_file.js';
import { generationOf, loadKeys, type KeySources, type LoadedKeys } from './loaded_keys.js';
import { describeFault, FileFault, readRegularFile } from '../../node/regular_file.js';

export interface KeyStoreOptions {
  /** The path of the key file; empty for no file. */
  path: string;
  apiKey: string;
  apiKeys: string;
  maxStaleSeconds: number;
  log: Pick<FastifyBaseLogger, 'error' | 'warn' | 'info'>;
}

export interface KeyStore {
  /**
   * The keys that count now: the keys of the file as soon as no write is under way, else the keys that nginx uses.
   * @param wanted nginx's generation, empty where none is known
   * @returns undefined when no keys could be loaded, when the last good keys are too old, or when the file can't be
   *   read and nginx uses other keys
   */
  current: (wanted: string) => Promise<LoadedKeys | undefined>;
}

const reportEveryMs = 60000;
const shownProblems = 20;
const settleEveryMs = 30;
const settleTimes = 8;

interface StoreState {
  loaded: LoadedKeys | undefined;
  seen: SeenFile | undefined;
  /** Content that was read and found to be no key file: not read again until it changes. */
  rejected: { version: string; why: string } | undefined;
  failingSinceMs: number | undefined;
  reported: { text: string; atMs: number } | undefined;
}

/** Opens the store and reads it once. */
export function openKeyStore(options: KeyStoreOptions): KeyStore {
  const state: StoreState = {
    loaded: undefined,
    seen: undefined,
    rejected: undefined,
    failingSinceMs: undefined,
    reported: undefined,
  };
  const current = async (wanted: string): Promise<LoadedKeys | undefined> => {
    const isNginxs = () => state.loaded !== undefined && state.loaded.generation === wanted;
    let freshness = readIfChanged(options, state);
    for (let i = 0; freshness === 'unsettled' && !isNginxs() && i < settleTimes; i++) {
      await pause(settleEveryMs);
      freshness = readIfChanged(options, state);
    }
    if (freshness !== 'fresh' && !isNginxs()) return undefined;
    return isTooOld(options, state) ? undefined : state.loaded;
  };
  readIfChanged(options, state);
  return { current };
}

function isTooOld({ maxStaleSeconds }: KeyStoreOptions, { failingSinceMs }: StoreState): boolean {
  return failingSinceMs !== undefined && performance.now() - failingSinceMs >= maxStaleSeconds * 1000;
}

function readIfChanged(options: KeyStoreOptions, state: StoreState): 'fresh' | 'unsettled' | 'faulty' {
  const { path, apiKey, apiKeys } = options;
  const nowMs = performance.now();
  try {
    if (path === '') {
      if (state.loaded === undefined) takeUp(options, state, undefined);
      return 'fresh';
    }
    const facts = statSync(path);
    if (!facts.isFile()) throw new FileFault('not a regular file'); // readable or not, and settled or not
    if (facts.size === 0) throw new FileFault('zero bytes long');
    if (facts.size > maxKeyFileBytes) throw new FileFault(`larger than ${maxKeyFileBytes / 1048576} MB`);
    if (state.rejected?.version === versionOf(facts)) throw new FileFault(state.rejected.why);
    const { judged, seen } = judgeChange(facts, state.seen, nowMs);
    state.seen = seen;
    if (judged === 'unsettled') return 'unsettled';
    return judged === 'read' && !read(options, state, nowMs) ? 'unsettled' : 'fresh';
  } catch (error) {
    logFault(options, state, describeFault(error));
    if (state.loaded === undefined && apiKey + apiKeys !== '') takeUp(options, state, undefined);
    return 'faulty';
  }
}

// Returns false when the file changed during the read.
function read(options: KeyStoreOptions, state: StoreState, nowMs: number): boolean {
  const { bytes, stats, isWhole } = readRegularFile(options.path, maxKeyFileBytes);
  if (!isWhole) return false;
  const version = versionOf(stats);
  try {
    takeUp(options, state, bytes);
  } catch (error) {
    state.rejected = { version, why: describeFault(error) };
    throw error;
  }
  state.seen = noteRead(version, state.seen, nowMs);
  state.rejected = undefined;
  state.failingSinceMs = undefined;
  if (state.reported !== undefined) options.log.info({ file: options.path }, 'key file usable again');
  state.reported = undefined;
  return true;
}

function takeUp(options: KeyStoreOptions, state: StoreState, fileBytes: Buffer | undefined): void {
  const { path, apiKey, apiKeys, log } = options;
  const sources: KeySources = { apiKey, apiKeys, fileBytes };
  if (state.loaded?.generation === generationOf(sources)) return;
  const { keys, problems } = loadKeys(sources);
  state.loaded = keys;
  for (const { line, problem } of problems.slice(0, shownProblems)) {
    log.warn({ file: path, line, problem }, 'key line not used');
  }
  log.info({ generation: keys.generation, unusable: problems.length }, 'keys taken up');
}

function logFault({ path, log }: KeyStoreOptions, state: StoreState, why: string): void {
  const nowMs = performance.now(); // monotonic: the system clock may jump
  state.failingSinceMs ??= nowMs;
  // Once the file has settled, it is read again.
  if (state.loaded !== undefined) state.seen = noteUnreadable();
  if (state.reported?.text === why && nowMs - state.reported.atMs < reportEveryMs) return;
  state.reported = { text: why, atMs: nowMs };
  log.error({ file: path, why }, 'key file not usable; keys loaded before stay in use');
}
