// How the commands change what the nodes of a cluster share: no change without its lines in the audit log.

import { changeSnapshot, type Changed, type Content } from '../../cluster/change.js';
import { snapshotPath } from '../../cluster/snapshot_file.js';
import type { ClusterSettings } from '../../settings/cluster.js';
import type { AdminChange, AdminChanges } from './admin_events.js';
import { writeAudit } from './audit_log.js';

export interface SharedEdit {
  content: Content;
  /** What the audit log says of it; the edit may be made several times, and is told once. */
  changes: AdminChange[];
}

export interface SharedPlace {
  cluster: ClusterSettings;
  stateDir: string;
}

/** What a command tells of a change: whether the store has it, and whether the audit log has its lines. */
export type Shared = Changed & { audited: boolean };

/**
 * Changes the snapshot of the cluster, then writes the lines of its changes.
 * @param isRevocation a revocation counts here also while the store is away
 * @param edit gets the newest content and the HMAC key of fingerprints, and throws to change nothing
 * @throws Fault where nothing was changed
 */
export async function changeShared(
  { cluster, stateDir }: SharedPlace,
  isRevocation: boolean,
  edit: (content: Content, entrySecret: string) => SharedEdit,
): Promise<Shared> {
  let changes: AdminChange[] = [];
  const changed = await changeSnapshot({ settings: cluster, stateDir, isRevocation }, (content, keys) => {
    const edited = edit(content, keys.entrySecret);
    changes = edited.changes;
    return edited.content;
  });
  const audited = changes.length === 0 || writeAudit(stateDir, changes as AdminChanges);
  return { ...changed, audited };
}

/** The file that the audit log names for a shared change. */
export function sharedFile({ stateDir }: Pick<SharedPlace, 'stateDir'>): string {
  return snapshotPath(stateDir);
}

/** A line for people about who knows of a change. */
export function describeShared(changed: Changed): string {
  return changed.isPublished
    ? 'Every node of the cluster takes it up within a second.'
    : `WARNING: only this node knows: the store is not usable: ${changed.reason}. It is published when the store is back.`;
}
