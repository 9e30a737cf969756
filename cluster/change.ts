// A change by the admin command: into the store and this node's snapshot. A revocation does not wait for a store that
// is away: it counts on this node at once, and the sidecar publishes it later.

import type { Snapshot } from '../auth/snapshot.js';
import { Fault } from '../node/fault.js';
import type { ClusterSettings } from '../settings/cluster.js';
import { openConnection, type Connection } from './connection.js';
import { contentOf, emptySnapshot, mergeSnapshots } from './merge.js';
import { openClusterKeys, type ClusterKeys } from './seal.js';
import { editSnapshot, readSnapshot } from './snapshot_file.js';
import { describeStore, StoreAway } from './store_fault.js';
import { fetchSnapshot, glance, publishSnapshot } from './store.js';

export interface Changing {
  settings: ClusterSettings;
  stateDir: string;
  /** A revocation may only add to `revoked` and `denied`. */
  isRevocation: boolean;
}

/** `reason`: why the store does not have the change yet. */
export type Changed = { isPublished: true } | { isPublished: false; reason: string };

/** What a change gets and gives: a snapshot without its number. */
export type Content = Omit<Snapshot, 'number'>;

const maxAttempts = 10;
const timeoutMs = 2000; // nobody waits for it but the admin

/**
 * Changes what the nodes share.
 * @param change gets the newest content, and throws to change nothing; it may be called several times
 * @throws Fault where nothing was changed: the store is not usable and the change is no revocation
 */
export async function changeSnapshot(
  { settings, stateDir, isRevocation }: Changing,
  change: (content: Content, keys: ClusterKeys) => Content,
): Promise<Changed> {
  const keys = openClusterKeys(settings);
  const apply = (snapshot: Snapshot): Snapshot => {
    const changed = { number: snapshot.number, ...change(withoutNumber(snapshot), keys) };
    return mergeSnapshots(changed, { ...emptySnapshot, revoked: snapshot.revoked }, keys.entrySecret);
  };
  readSnapshot(stateDir); // a damaged one stops the command before anything is changed
  const connection = openConnection(settings, { timeoutMs });
  try {
    await connection.tried();
    await publishChange({ connection, keys, stateDir }, apply);
    return { isPublished: true };
  } catch (error) {
    if (!(error instanceof StoreAway)) throw error;
    if (!isRevocation) throw storeFault(settings, error.message);
    await revokeHere(stateDir, apply, storeFault(settings, error.message));
    return { isPublished: false, reason: error.message };
  } finally {
    connection.close();
  }
}

function withoutNumber({ keys, revoked, denied }: Snapshot): Content {
  return { keys, revoked, denied };
}

function storeFault(settings: ClusterSettings, reason: string): Fault {
  return new Fault(
    `nothing was changed, as the store ${describeStore(settings.redis)} is not usable: ${reason}`,
    'try again when it is; `keygate status` tells how it is',
  );
}

interface Node {
  connection: Connection;
  keys: ClusterKeys;
  stateDir: string;
}

async function publishChange(node: Node, apply: (snapshot: Snapshot) => Snapshot): Promise<void> {
  const { connection, keys, stateDir } = node;
  for (let attempt = 1; attempt <= maxAttempts; attempt++) {
    const { secret, stamp } = await glance(connection, keys);
    if (secret === 'other') throw otherSecret();
    const inStore = stamp === '' ? undefined : await fetchSnapshot(connection, keys);
    if (inStore !== undefined && 'fault' in inStore)
      throw new StoreAway(`its snapshot is not usable: ${inStore.fault}`);
    const known = mergeSnapshots(readSnapshot(stateDir) ?? emptySnapshot, inStore ?? emptySnapshot, keys.entrySecret);
    const changed = apply(known);
    const isSame = inStore !== undefined && contentOf(changed) === contentOf(inStore);
    const snapshot = { ...changed, number: known.number + (isSame ? 0 : 1) };
    const answer = isSame ? 'published' : await publishSnapshot(connection, keys, { before: stamp, snapshot });
    if (answer === 'other secret') throw otherSecret();
    if (answer === 'changed') continue;
    await editSnapshot(stateDir, (own) => own && mergeSnapshots(own, snapshot, keys.entrySecret));
    return;
  }
  throw new StoreAway('other changes were quicker, again and again');
}

function otherSecret(): StoreAway {
  return new StoreAway('its nodes have another cluster secret: give every node the same CLUSTER_SECRET_FILE');
}

async function revokeHere(stateDir: string, apply: (snapshot: Snapshot) => Snapshot, fault: Fault): Promise<void> {
  let hasJoined = false;
  await editSnapshot(stateDir, (own) => {
    hasJoined = own !== undefined;
    return own && apply(own);
  });
  if (!hasJoined) throw fault; // this node admits nobody before it has joined
}
