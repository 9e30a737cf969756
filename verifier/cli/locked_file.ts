// Editing a file that others read and write: one editor at a time, replaced as a whole, owner and mode kept.

import { chownSync, closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'; // prettier-ignore
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { CommandFault } from './output.js';

const lockWaitMs = 10000;
const lockStaleMs = 30000;
const newFileMode = 0o640;

/**
 * Changes a file's text under a lock.
 * @param change gets the text (empty when there is no file) and returns the new one, or throws to leave it as it is
 */
export async function editLocked(
  path: string,
  change: (text: string) => string | Promise<string>,
): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  const lock = `${path}.lock`;
  await takeLock(lock);
  try {
    const before = readText(path);
    const after = await change(before ?? '');
    if (after !== before) replace(path, after);
  } finally {
    rmSync(lock, { force: true });
  }
}

async function takeLock(lock: string): Promise<void> {
  const endMs = Date.now() + lockWaitMs;
  for (;;) {
    try {
      const file = openSync(lock, 'wx', 0o600);
      writeFileSync(file, `${process.pid} ${hostname()}`);
      closeSync(file);
      return;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'EEXIST') throw new CommandFault(`can't write beside ${lock.slice(0, -5)} (${code})`, hintFor(code)); // prettier-ignore
    }
    if (isStale(lock)) rmSync(lock, { force: true });
    if (Date.now() > endMs)
      throw new CommandFault(`${lock} is held by another keygate`, `remove it if none is running`);
    await new Promise((resolve) => setTimeout(resolve, 10 + Math.random() * 40));
  }
}

function hintFor(code: string | undefined): string {
  if (code !== 'EROFS') return 'run this as the owner of the folder';
  return 'a file that API_KEYS_FILE_HOST names is mounted read-only: set API_KEYS_DIR_HOST to its folder instead, or add a line to it on the host with the hash of `keygate key hash`';
}

// A lock whose process is gone, or that nobody can still be working under. Process ids of another container say nothing.
function isStale(lock: string): boolean {
  try {
    if (Date.now() - statSync(lock).mtimeMs > lockStaleMs) return true;
    const [pid, host] = readFileSync(lock, 'utf8').split(' ');
    const isHere = host === undefined || host === hostname();
    if (isHere && Number(pid) > 0) process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw new CommandFault(`can't read ${path} (${code})`);
  }
}

function replace(path: string, text: string): void {
  const before = statIfThere(path);
  const temporary = `${path}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    const file = openSync(temporary, 'wx', before === undefined ? newFileMode : before.mode & 0o777);
    writeFileSync(file, text); // whole or a fault
    fsyncSync(file);
    closeSync(file);
    if (before !== undefined && process.getuid?.() === 0) chownSync(temporary, before.uid, before.gid);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    const { code } = error as NodeJS.ErrnoException;
    const hint =
      code === 'EBUSY' ? 'a single mounted file can not be replaced: mount its folder instead' : undefined;
    throw new CommandFault(`can't replace ${path} (${code})`, hint);
  }
}

function statIfThere(path: string): { mode: number; uid: number; gid: number } | undefined {
  return statSync(path, { throwIfNoEntry: false });
}
