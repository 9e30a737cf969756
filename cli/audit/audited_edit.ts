// How the commands change a file that others read and write: no edit without its lines in the audit log.

import { editLocked } from '../../node/locked_file.js';
import type { AdminChanges } from './admin_events.js';
import { writeAudit } from './audit_log.js';

export interface Edit {
  text: string;
  changes: AdminChanges;
}

/**
 * Edits a file under its lock, then writes the lines of its changes; no line where the file stays as it was.
 * @param edit gets the text, as editLocked gives it, and throws to keep the file
 * @returns whether the audit log has all of the lines
 */
export async function editAudited(
  path: string,
  stateDir: string,
  edit: (text: string) => Edit | Promise<Edit>,
): Promise<boolean> {
  let changes: AdminChanges | undefined;
  await editLocked(path, async (text) => {
    const edited = await edit(text);
    if (edited.text !== text) changes = edited.changes;
    return edited.text;
  });
  return changes === undefined || writeAudit(stateDir, changes);
}
