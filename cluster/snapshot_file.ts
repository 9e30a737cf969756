// STATE_DIR/shared/snapshot.json: what this node knows of the cluster. nginx and the sidecar read the file beside the
// key file; the sidecar and the admin command edit it under its lock. A node without the file has not joined yet.

import { chmodSync, mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { maxKeyFileBytes } from '../auth/key_file.js';
import { parseSnapshot, type Snapshot } from '../auth/snapshot.js';
import { Fault } from '../node/fault.js';
import { takeLock } from '../node/file_lock.js';
import { editLocked } from '../node/locked_file.js';
import { readText } from '../node/regular_file.js';
import { writeAtomically } from '../node/state_files.js';

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

/**
 * Writes the snapshot where the file is gone or damaged.
 * @throws an error of the system, or a Fault about the lock
 */
export async function restoreSnapshot(stateDir: string, snapshot: Snapshot): Promise<void> {
  const path = snapshotPath(stateDir);
  ensureSharedFolder(stateDir);
  const giveBack = await takeLock(`${path}.lock`);
  try {
    if (!isUsable(stateDir)) writeAtomically(path, formatSnapshot(snapshot), 0o640);
  } finally {
    giveBack();
  }
}

function isUsable(stateDir: string): boolean {
  try {
    return readSnapshot(stateDir) !== undefined;
  } catch {
    return false;
  }
}

/** Tells one version of the file from another without reading it; empty for no file. */
export function snapshotVersion(stateDir: string): string {
  const facts = statSync(snapshotPath(stateDir), { throwIfNoEntry: false });
  return facts === undefined ? '' : `${facts.ino} ${facts.ctimeMs} ${facts.size}`;
}

function formatSnapshot({ number, keys, revoked, denied }: Snapshot): string {
  return `${JSON.stringify({ number, keys, revoked, denied }, null, 1)}\n`;
}

function parseText(path: string, text: string): Snapshot | undefined {
  if (text === '') return undefined;
  const parsed = parseSnapshot(text);
  if ('fault' in parsed) throw new Fault(`can't use ${path}: ${parsed.fault}`, damagedHint);
  return parsed;
}

const damagedHint = 'take it away: the sidecar joins the cluster anew and writes it again';
