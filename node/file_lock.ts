// One editor of a file at a time: a lock file beside it that names its holder.

import { closeSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { Fault } from './fault.js';

const lockWaitMs = 10000;
const lockStaleMs = 30000;

/**
 * Takes the lock, waiting up to 10 s for another holder.
 * @returns what gives it back
 * @throws Fault when it can't be had
 */
export async function takeLock(lock: string): Promise<() => void> {
  const holder = `${process.pid} ${hostname()} ${randomBytes(8).toString('hex')}`;
  const endMs = Date.now() + lockWaitMs;
  while (!create(lock, holder)) {
    if (isStale(lock)) removeStale(lock);
    if (Date.now() > endMs) throw new Fault(`${lock} is held by another keygate`, `remove it if none is running`);
    await new Promise((resolve) => setTimeout(resolve, 10 + Math.random() * 40));
  }
  return () => {
    if (readLock(lock) === holder) rmSync(lock, { force: true }); // else somebody took it for stale
  };
}

function create(lock: string, holder: string): boolean {
  try {
    const file = openSync(lock, 'wx', 0o600);
    writeFileSync(file, holder);
    closeSync(file);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return false;
    throw new Fault(`can't write beside ${lock.slice(0, -5)} (${code})`, hintFor(code));
  }
}

function hintFor(code: string | undefined): string {
  if (code !== 'EROFS') return 'run this as the owner of the folder';
  return (
    'a file that API_KEYS_FILE_HOST names is mounted read-only: set API_KEYS_DIR_HOST to its folder instead, ' +
    'or add a line to it on the host with the hash of `keygate key hash`'
  );
}

// A lock whose process is gone, or that nobody can still be working under. Process ids of another container say
// nothing.
function isStale(lock: string): boolean {
  try {
    if (Date.now() - statSync(lock).mtimeMs > lockStaleMs) return true;
    const [pid, host] = (readLock(lock) ?? '').split(' ');
    const isHere = host === undefined || host === hostname();
    if (isHere && Number(pid) > 0) process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

// Only one of those who found it stale may remove it: the others would remove the lock of whoever came next.
function removeStale(lock: string): void {
  const removing = `${lock}.stale`;
  if (!create(removing, String(process.pid))) {
    if (isStale(removing)) rmSync(removing, { force: true });
    return;
  }
  if (isStale(lock)) rmSync(lock, { force: true });
  rmSync(removing, { force: true });
}

function readLock(lock: string): string | undefined {
  try {
    return readFileSync(lock, 'utf8');
  } catch {
    return undefined;
  }
}
