// How snapshots become one: by union, in which the order of writes does not matter. So no failover, backup or fork of
// the store loses a revocation. Lines are sorted: equal contents are equal texts on every node.

import { parseKeyLine } from '../auth/key_line.js';
import { revokedName, type Snapshot } from '../auth/snapshot.js';
import { nodePlatform } from '../node/crypto.js';

export const emptySnapshot: Snapshot = { number: 0, keys: [], revoked: [], denied: [] };

/**
 * Merges two snapshots: all keys but the revoked, all revocations, all denials, and the larger number.
 * @param entrySecret names revoked keys (revokedName)
 */
export function mergeSnapshots(one: Snapshot, other: Snapshot, entrySecret: string): Snapshot {
  const revoked = unite(one.revoked, other.revoked);
  const names = new Set(revoked);
  const keys = unite(one.keys, other.keys);
  return {
    number: Math.max(one.number, other.number),
    keys: names.size === 0 ? keys : keys.filter((line) => !isRevoked(line, names, entrySecret)),
    revoked,
    denied: unite(one.denied, other.denied),
  };
}

function unite(one: string[], other: string[]): string[] {
  return [...new Set([...one, ...other])].sort();
}

function isRevoked(line: string, names: Set<string>, entrySecret: string): boolean {
  const parsed = parseKeyLine(line.trim(), 0, nodePlatform);
  return !('problem' in parsed) && names.has(revokedName(parsed, entrySecret, nodePlatform));
}

/** What a snapshot says, without its number: equal for equal contents, once merged. */
export function contentOf({ keys, revoked, denied }: Omit<Snapshot, 'number'>): string {
  return JSON.stringify({ keys, revoked, denied });
}
