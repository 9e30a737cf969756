// STATE_DIR/shared/snapshot.json: what this node knows of the cluster. nginx and the sidecar read the file beside the
// key file; the sidecar and the admin command edit it under its lock. A node without the file has not joined yet.

import { chmodSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { maxKeyFileBytes } from '../auth/key_file.js';
import { parseSnapshot, type Snapshot } from '../auth/snapshot.js';
import { Fault } from '../node/fault.js';
import { editLocked } from '../node/locked_file.js';
import { readText } from '../node/regular_file.js';

/** Where the snapshot of a STATE_DIR is. */
export function snapshotPath(stateDir: string): string {
  return join(stateDir, 'shared', 'snapshot.json');
}

/** Makes the folder of what nginx reads of the cluster: for the owner and his group. */
export function ensureSharedFolder(stateDir: string): void {
  const folder = dirname(snapshotPath(stateDir));
  if (mkdirSync(folder, { recursive: true, mode: 0o750 }) !== undefined) chmodSync(folder, 0o750); // whatever the umask
}

/**
 * @returns undefined for a node that has not joined
 * @throws Fault for a damaged file, or one that can't be read
 */
export function readSnapshot(stateDir: string): Snapshot | undefined {
  const path = snapshotPath(stateDir);
  return parseText(path, readText(path, maxKeyFileBytes));
}

/**
 * Changes the snapshot under its lock.
 * @param change gets undefined where there is no file, and returns what the file shall hold, or undefined for no change
 * @throws Fault for a damaged file
 */
export async function editSnapshot(
  stateDir: string,
  change: (snapshot: Snapshot | undefined) => Snapshot | undefined,
): Promise<void> {
  const path = snapshotPath(stateDir);
  ensureSharedFolder(stateDir);
  await editLocked(path, (text) => {
    const changed = change(parseText(path, text));
    return changed === undefined ? text : formatSnapshot(changed);
  });
}

/** The text of the file. */
export function formatSnapshot({ number, keys, revoked, denied }: Snapshot): string {
  return `${JSON.stringify({ number, keys, revoked, denied }, null, 1)}\n`;
}

function parseText(path: string, text: string): Snapshot | undefined {
  if (text === '') return undefined;
  const parsed = parseSnapshot(text);
  if ('fault' in parsed) throw new Fault(`can't use ${path}: ${parsed.fault}`, damagedHint);
  return parsed;
}

const damagedHint = 'take it away: the sidecar joins the cluster anew and writes it again';
