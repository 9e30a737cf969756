// What the commands read of the snapshot that the nodes of a cluster share.

import type { Snapshot } from '../auth/snapshot.js';
import { readSnapshot } from '../cluster/snapshot_file.js';
import type { Settings } from '../settings/read.js';

/**
 * @returns undefined without a cluster, and for a node that has not joined its cluster yet
 * @throws Fault for a damaged snapshot
 */
export function readShared({ cluster, stateDir }: Settings): Snapshot | undefined {
  return cluster === undefined ? undefined : readSnapshot(stateDir);
}
