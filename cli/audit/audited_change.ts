// How the commands change what the nodes of a cluster share: no change without its lines in the audit log.

import { changeSnapshot, type Changed, type Content } from '../../cluster/change.js';
import { contentOf } from '../../cluster/merge.js';
import { snapshotPath } from '../../cluster/snapshot_file.js';
import type { ClusterSettings } from '../../settings/cluster.js';
import type { AdminChanges } from './admin_events.js';
import { writeAudit } from './audit_log.js';

export interface SharedEdit {
  content: Content;
  /** What the audit log says of it; the edit may be made several times, and is told once. */
  changes: AdminChanges;
}

export interface SharedPlace {
  cluster: ClusterSettings;
  stateDir: string;
}

/** What a command tells of a change: whether the store has it, and whether the audit log has its lines. */
export type Shared = Changed & { audited: boolean };

/**
 * Changes the snapshot of the cluster, then writes the lines of its changes; no line where it stays as it was.
 * @param isRevocation a revocation counts here also while the store is away
 * @param edit gets the newest content and the HMAC key of fingerprints, and throws to change nothing
 * @throws Fault where nothing was changed
 */
export async function changeShared(
  { cluster, stateDir }: SharedPlace,
  isRevocation: boolean,
  edit: (content: Content, entrySecret: string) => SharedEdit,
): Promise<Shared> {
  let changes: AdminChanges | undefined;
  const changed = await changeSnapshot({ settings: cluster, stateDir, isRevocation }, (content, keys) => {
    const edited = edit(content, keys.entrySecret);
    changes = contentOf(edited.content) === contentOf(content) ? undefined : edited.changes;
    return edited.content;
  });
  const audited = changes === undefined || writeAudit(stateDir, changes);
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
