// One editor of a file at a time: a lock file beside it that names its holder, so that others can tell whether the
// holder still lives.

import { linkSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { Fault, hintAbout } from './fault.js';

const lockWaitMs = 10000;
const otherMachineMs = 30000;

/**
 * Takes the lock, waiting up to 10 s for another holder.
 * @returns a function that gives the lock back
 * @throws Fault when the lock can't be taken
 */
export async function takeLock(lock: string): Promise<() => void> {
  const holder = `${process.pid} ${startOf(process.pid)} ${hostname()} ${randomBytes(8).toString('hex')}`;
  const endMs = performance.now() + lockWaitMs;
  while (!create(lock, holder)) {
    if (isStale(lock)) removeStale(lock);
    if (performance.now() > endMs)
      throw new Fault(`${lock} is held by another keygate`, `remove it if none is running`);
    await new Promise((resolve) => setTimeout(resolve, 10 + Math.random() * 40));
  }
  return () => {
    if (readLock(lock) === holder) rmSync(lock, { force: true }); // else another process took it for stale
  };
}

// The file is written under another name and then linked: a lock has its holder's name from its first moment.
function create(lock: string, holder: string): boolean {
  const written = `${lock}.${process.pid}.${randomBytes(4).toString('hex')}`;
  try {
    writeFileSync(written, holder, { flag: 'wx', mode: 0o600 });
    linkSync(written, lock);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return false;
    throw new Fault(`can't write beside ${lock.slice(0, -5)} (${code})`, hintFor(code));
  } finally {
    rmSync(written, { force: true });
  }
}

function hintFor(code: string | undefined): string {
  if (code !== 'EROFS') return hintAbout(code) ?? 'run this as the owner of the folder';
  return (
    'a file that API_KEYS_FILE_HOST names is mounted read-only: set API_KEYS_DIR_HOST to its folder instead, ' +
    'or add a line to it on the host with the hash of `keygate key hash`'
  );
}

// A lock is stale when its holder is gone, or when it names no holder, since keygate always writes the name. The
// processes of another machine or container are not visible here: only the age of such a lock counts.
function isStale(lock: string): boolean {
  const [pid, start, host] = (readLock(lock) ?? '').split(' ');
  if (host === undefined) return readLock(lock) !== undefined;
  if (host === hostname()) return startOf(Number(pid)) !== start;
  const { mtimeMs } = statSync(lock, { throwIfNoEntry: false }) ?? {};
  return mtimeMs !== undefined && Math.abs(Date.now() - mtimeMs) > otherMachineMs;
}

/** When a process began, as /proc tells it: another process of the same id began at another time. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return isThere(pid) ? 'unknown' : 'gone';
  }
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

// Only one of the processes that found the lock stale may remove it: another would remove the next holder's lock.
function removeStale(lock: string): void {
  const removing = `${lock}.stale`;
  const holder = `${process.pid} ${startOf(process.pid)} ${hostname()} removes`;
  if (!create(removing, holder)) {
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
