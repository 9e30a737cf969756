// STATE_DIR/audit.log: a line for each change by the admin command, on syslog too. A line that can't be written is
// told, and the change stays.

import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { describeFault, FileFault } from '../../node/regular_file.js';
import type { AdminChanges } from './admin_events.js';
import { findActor, formatAuditLine } from './audit_line.js';
import { tellSyslog } from './syslog.js';

const mode = 0o640;
const openFlags = constants.O_RDWR | constants.O_APPEND | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Where the audit log of a gateway is. */
export function auditLogPath(stateDir: string): string {
  return join(stateDir, 'audit.log');
}

/**
 * Writes a line for each change that was made, also to syslog where there is one.
 * @param stateDir made where it is missing; undefined where the change belongs to no gateway of this machine
 * @returns whether audit.log has all of the lines; where a write failed, a warning went to standard error
 */
export function writeAudit(stateDir: string | undefined, changes: AdminChanges): boolean {
  const actor = findActor(process.env);
  const time = new Date();
  const lines = changes.map((change) => formatAuditLine(change, actor, time));
  const isWritten = stateDir !== undefined && appendLines(stateDir, lines);
  tellSyslog(lines);
  return isWritten;
}

function appendLines(stateDir: string, lines: string[]): boolean {
  const path = auditLogPath(stateDir);
  let written = 0;
  try {
    mkdirSync(stateDir, { recursive: true });
    const file = openLog(path, stateDir);
    try {
      for (; written < lines.length; written++) writeLine(file, lines[written] as string);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    return true;
  } catch (error) {
    const which = written % lines.length === 0 ? '' : `line ${written + 1} of ${lines.length} and after it: `;
    console.error(
      `keygate: warning: ${path}: ${which}not written (${describeFault(error)}): ` +
        `the change is made, and has no line there; ${adviceFor(error)}`,
    );
    return false;
  }
}

// A symlink is not followed: the user of STATE_DIR could have root write anywhere by one.
function openLog(path: string, stateDir: string): number {
  try {
    const made = openSync(path, openFlags | constants.O_CREAT | constants.O_EXCL, mode);
    giveToOwnerOf(stateDir, made);
    fchmodSync(made, mode); // whatever the umask
    return made;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const file = openSync(path, openFlags);
  if (fstatSync(file).isFile()) return file;
  closeSync(file);
  throw new FileFault('not a regular file');
}

// Else the first command that root runs would keep the gateway's own user from writing lines.
function giveToOwnerOf(folder: string, file: number): void {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = statSync(folder);
  try {
    fchownSync(file, uid, gid);
  } catch {
    // it stays root's: nobody but root could run the command here
  }
}

// One write a line: the kernel appends it as a whole, and never between the bytes of another. Only a full disk leaves
// part of a line, which then stays alone on its line.
function writeLine(file: number, line: string): void {
  const { size } = fstatSync(file);
  const last = Buffer.alloc(1);
  const isTorn = size > 0 && readSync(file, last, 0, 1, size - 1) === 1 && last.toString() !== '\n';
  const bytes = Buffer.from(isTorn ? `\n${line}` : line);
  if (writeSync(file, bytes) < bytes.length) throw new FileFault('only a part fits: the disk is full');
}

function adviceFor(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG') return 'free some space';
  if (code === 'EACCES' || code === 'EPERM') return 'run keygate as the owner of the file, or as root';
  if (code === 'EROFS') return 'make STATE_DIR writable';
  if (code === undefined && describeFault(error).includes('disk')) return 'free some space';
  return 'put a regular file there, or nothing: keygate makes the file';
}
