// Editing a file that others read and write: one editor at a time, replaced as a whole, owner and mode kept.

import { lstatSync, mkdirSync, realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import { maxKeyFileBytes } from '../auth/key_file.js';
import { writeAtomically, type Owner } from './state_files.js';
import { describeFault, readRegularFile, textOf } from './regular_file.js';
import { takeLock } from './file_lock.js';
import { Fault, hintAbout } from './fault.js';

const newFileMode = 0o640;

/**
 * Changes a file's text under a lock. A symlink stays a symlink: the file that it leads to is changed.
 * @param change gets the text (empty when there is no file) and returns the new text, or throws to keep the file
 * @throws Fault where the file may be damaged: a person must mend the file, and keygate does not write over it
 */
export async function editLocked(path: string, change: (text: string) => string | Promise<string>): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  const target = followLinks(path);
  const giveBack = await takeLock(`${target}.lock`);
  try {
    const text = readBefore(target) ?? '';
    const after = await change(text);
    if (after !== text) replace(target, after);
  } finally {
    giveBack();
  }
}

/**
 * The end of a text's last line, or of the lines of a new file.
 * @returns what ends a line in this file
 */
export function lineEndOf(text: string): '\r\n' | '\n' {
  const last = text.lastIndexOf('\n');
  return last > 0 && text.charAt(last - 1) === '\r' ? '\r\n' : '\n';
}

function followLinks(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    const isLink = lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
    if (isLink)
      throw new Fault(
        `${path} is a symlink that leads nowhere (${describeFault(error)})`,
        'make the file that it names, or take it away',
      );
    return path;
  }
}

function readBefore(path: string): string | undefined {
  try {
    return textOf(readRegularFile(path, maxKeyFileBytes).bytes);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new Fault(`can't use ${path}: ${describeFault(error)}`);
  }
}

function replace(path: string, text: string): void {
  const before = lstatSync(path, { throwIfNoEntry: false });
  try {
    const lost = writeAtomically(path, text, before === undefined ? newFileMode : before.mode & 0o777);
    if (lost !== undefined) warnOfOwner(path, lost);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const hint =
      code === 'EBUSY' ? 'a single mounted file can not be replaced: mount its folder instead' : hintAbout(code);
    throw new Fault(`can't replace ${path} (${code})`, hint);
  }
}

function warnOfOwner(path: string, was: Owner): void {
  const { uid, gid } = lstatSync(path);
  console.error(
    `keygate: warning: the file belongs to uid ${uid}, gid ${gid} now; it was uid ${was.uid}, gid ${was.gid}, which ` +
      'root or its owner can keep',
  );
}
