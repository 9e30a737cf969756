// The sidecar's view of the API keys: the same files, the same parser and the same generation as nginx's. A set
// answers only while it is as fresh as the files, or the very one that nginx uses.

import { existsSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { Snapshot } from '../../auth/snapshot.js';
import { generationOf, loadKeys, readKeyFile, readSnapshot, type Digested, type LoadedKeys } from './loaded_keys.js';
import { watchFile, type Freshness, type Log, type WatchedFile } from './watched_file.js';

export interface KeyStoreOptions {
  /** The path of the key file; empty for no file. */
  path: string;
  /** The path of the snapshot; undefined without a cluster. */
  snapshotPath: string | undefined;
  apiKey: string;
  apiKeys: string;
  /** The HMAC key of the fingerprints, which names the revoked keys too. */
  entrySecret: string;
  maxStaleSeconds: number;
  log: Log;
}

export interface KeyStore {
  /**
   * The keys that count now: the keys of the files as soon as no write is under way, else the keys that nginx uses.
   * @param wanted nginx's generation, empty where none is known
   * @returns undefined when no keys could be loaded, when the last good keys are too old, or when a file can't be
   *   read and nginx uses other keys
   */
  current: (wanted: string) => Promise<LoadedKeys | undefined>;
}

const shownProblems = 20;
const settleEveryMs = 30;
const settleTimes = 8;
const notJoined = 'no API key counts until this node has joined its cluster';

interface Store {
  options: KeyStoreOptions;
  file: WatchedFile<Digested<string>> | undefined;
  snapshot: WatchedFile<Digested<Snapshot>> | undefined;
  loaded: LoadedKeys | undefined;
}

/** Opens the store and reads it once. */
export function openKeyStore(options: KeyStoreOptions): KeyStore {
  const { path, snapshotPath, log } = options;
  const store: Store = {
    options,
    file: path === '' ? undefined : watchFile({ path, what: 'key file', parse: readKeyFile, log }),
    snapshot:
      snapshotPath === undefined
        ? undefined
        : watchFile({ path: snapshotPath, what: 'snapshot', parse: readSnapshot, notThereYet: notJoined, log }),
    loaded: undefined,
  };
  const current = async (wanted: string): Promise<LoadedKeys | undefined> => {
    const isNginxs = () => store.loaded !== undefined && store.loaded.generation === wanted;
    let freshness = refresh(store);
    for (let i = 0; freshness === 'unsettled' && !isNginxs() && i < settleTimes; i++) {
      await pause(settleEveryMs);
      freshness = refresh(store);
    }
    if (freshness !== 'fresh' && !isNginxs()) return undefined;
    return isTooOld(store) ? undefined : store.loaded;
  };
  refresh(store);
  return { current };
}

function isTooOld({ options, file, snapshot }: Store): boolean {
  return [file, snapshot].some((one) => one?.isFaultyFor(options.maxStaleSeconds));
}

function refresh(store: Store): Freshness {
  const { options, file, snapshot } = store;
  const looks = [snapshot?.look() ?? 'fresh', lookAtKeyFile(store)] as const;
  const hasOther = snapshot !== undefined || options.apiKey + options.apiKeys !== '';
  const isFileKnown = file?.content() !== undefined || looks[1] === 'fresh' || (looks[1] === 'faulty' && hasOther);
  const hasJoined = snapshot === undefined || snapshot.content() !== undefined;
  if (isFileKnown && hasJoined) takeUp(store);
  return looks.find((one) => one === 'faulty') ?? looks.find((one) => one === 'unsettled') ?? 'fresh';
}

// A node of a cluster needs no key file.
function lookAtKeyFile({ file, snapshot }: Store): Freshness {
  if (file === undefined) return 'fresh';
  const isAbsent = snapshot !== undefined && file.content() === undefined && !existsSync(file.path);
  return isAbsent ? 'fresh' : file.look();
}

function takeUp(store: Store): void {
  const { apiKey, apiKeys, entrySecret, path, snapshotPath, log } = store.options;
  const contents = { apiKey, apiKeys, file: store.file?.content(), snapshot: store.snapshot?.content() };
  if (store.loaded?.generation === generationOf(contents)) return;
  const { keys, problems } = loadKeys(contents, entrySecret);
  store.loaded = keys;
  for (const { source, line, problem } of problems.slice(0, shownProblems)) {
    log.warn({ file: source === 'snapshot' ? snapshotPath : path, line, problem }, 'key line not used');
  }
  log.info({ generation: keys.generation, unusable: problems.length }, 'keys taken up');
}
