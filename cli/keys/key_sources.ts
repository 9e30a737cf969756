// Where keys come from: the key file and, in a cluster, the snapshot that its nodes share.

import { parseKeyFile, type KeyFile } from '../../auth/key_file.js';
import type { KeyEntry } from '../../auth/key_record.js';
import { revokedName } from '../../auth/snapshot.js';
import { openClusterKeys } from '../../cluster/seal.js';
import { snapshotPath } from '../../cluster/snapshot_file.js';
import { nodePlatform } from '../../node/crypto.js';
import type { Settings } from '../../settings/read.js';
import { readShared } from '../shared_snapshot.js';
import { readKeyContent, readKeyText, readKeyTextIfThere } from './key_text.js';

export interface KeySource {
  /** Undefined without a cluster, where there is one source. */
  source: 'file' | 'cluster' | undefined;
  path: string;
  keys: KeyFile;
  /** Whether the cluster has revoked a key, wherever its line stands. */
  isRevoked: (entry: KeyEntry) => boolean;
}

/**
 * Reads the keys.
 * @throws Fault where a source can't be used, or there is no key file and no cluster
 */
export function readSources(settings: Settings): KeySource[] {
  const { apiKeysFile: path, cluster, stateDir } = settings;
  const parse = (text: string) => parseKeyFile(text, nodePlatform);
  if (cluster === undefined)
    return [{ source: undefined, path, keys: parse(readKeyText(path)), isRevoked: () => false }];
  const shared = readShared(settings);
  const { entrySecret } = openClusterKeys(cluster);
  const revoked = new Set(shared?.revoked);
  const isRevoked = (entry: KeyEntry) => revoked.has(revokedName(entry, entrySecret, nodePlatform));
  return [
    { source: 'cluster', path: snapshotPath(stateDir), keys: parse(shared?.keys.join('\n') ?? ''), isRevoked },
    { source: 'file', path, keys: parse(readKeyTextIfThere(path)), isRevoked },
  ];
}

export interface CheckedSource {
  path: string;
  keys: KeyFile;
  /** Why nothing of it is used. */
  fault: string | undefined;
}

/** Reads the keys, and says what is wrong with a source as a whole. */
export function checkSources(settings: Settings): CheckedSource[] {
  const { apiKeysFile: path, cluster } = settings;
  if (cluster !== undefined) {
    const notJoined = readShared(settings) === undefined ? 'this node has not joined its cluster yet' : undefined;
    const faults = [notJoined, undefined];
    return readSources(settings).map((source, i) => ({ ...source, fault: faults[i] }));
  }
  const content = readKeyContent(path);
  const text = 'fault' in content ? '' : content.text;
  const empty = text === '' ? 'zero bytes long: write a comment into it to mean no keys' : undefined;
  const fault = 'fault' in content ? content.fault : empty;
  return [{ path, keys: parseKeyFile(text, nodePlatform), fault }];
}
