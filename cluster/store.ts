// The snapshot in the store: `check` (whose cluster it is), `number` (number and digest, to see a change by) and
// `snapshot` (sealed). A write replaces exactly what its writer has read (compare-and-set).

import { parseSnapshot, type Snapshot } from '../auth/snapshot.js';
import type { Connection } from './connection.js';
import { contentOf } from './merge.js';
import type { ClusterKeys } from './seal.js';
import { withBytes } from './store_client.js';

/** On this channel the store tells nodes of a change, at once. */
export const changesChannel = 'changes';
const largeTimeoutMs = 2000; // a snapshot may have megabytes

/** What a node sees of the store at a glance. */
export interface Glance {
  /** `other`: nodes with another secret use this store and prefix. */
  secret: 'ours' | 'other' | 'none';
  /** Names the snapshot in the store (stampOf); empty for none. */
  stamp: string;
}

/** Names a snapshot: `NUMBER:DIGEST`. */
export function stampOf(snapshot: Snapshot, keys: ClusterKeys): string {
  return `${snapshot.number}:${keys.digest(contentOf(snapshot))}`;
}

/** @throws StoreAway */
export async function glance(connection: Connection, keys: ClusterKeys): Promise<Glance> {
  const names = ['check', 'number'].map(connection.name);
  const [check, stamp] = await connection.run((client) => client.mGet(names));
  const isOurs = check === keys.check;
  return { secret: check === null ? 'none' : isOurs ? 'ours' : 'other', stamp: stamp ?? '' };
}

/**
 * Reads the snapshot.
 * @returns undefined where there is none, or a fault where it is not one that a node of this cluster sealed
 * @throws StoreAway
 */
export async function fetchSnapshot(
  connection: Connection,
  keys: ClusterKeys,
): Promise<Snapshot | { fault: string } | undefined> {
  const name = connection.name('snapshot');
  const sealed = await connection.run((client) => withBytes(client).get(name), largeTimeoutMs);
  if (sealed === null) return undefined;
  const text = keys.open('snapshot', sealed as unknown as Buffer);
  return text === undefined ? { fault: 'it does not open with CLUSTER_SECRET_FILE' } : parseSnapshot(text);
}

const publishScript = `
local check = redis.call('GET', KEYS[1])
if check and check ~= ARGV[1] then return 'other secret' end
if (redis.call('GET', KEYS[2]) or '') ~= ARGV[2] then return 'changed' end
redis.call('SET', KEYS[1], ARGV[1])
redis.call('SET', KEYS[2], ARGV[3])
redis.call('SET', KEYS[3], ARGV[4])
redis.call('PUBLISH', KEYS[4], ARGV[3])
return 'published'`;

/**
 * Writes a snapshot in the place of the one that was read.
 * @param before the stamp that was seen; empty for none
 * @returns `changed`: another snapshot is there by now
 * @throws StoreAway
 */
export async function publishSnapshot(
  connection: Connection,
  keys: ClusterKeys,
  { before, snapshot }: { before: string; snapshot: Snapshot },
): Promise<'published' | 'changed' | 'other secret'> {
  const names = ['check', 'number', 'snapshot', changesChannel].map(connection.name);
  const sealed = keys.seal('snapshot', JSON.stringify(snapshot));
  const values = [keys.check, before, stampOf(snapshot, keys), sealed];
  const command = ['EVAL', publishScript, String(names.length), ...names, ...values];
  const answer = await connection.run((client) => client.sendCommand(command), largeTimeoutMs);
  return String(answer) as 'published' | 'changed' | 'other secret';
}
