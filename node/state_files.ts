// Files under STATE_DIR: written completely or not at all, with the mode they need from the first byte on.

import {
  closeSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { randomBytes } from 'node:crypto';
import { dirname, join } from 'node:path';

/**
 * Writes a file by way of a temporary file beside it, so that no reader sees an incomplete file. The file keeps its
 * owner; a new file that root makes (`keygate jwks rotate`) gets the owner of its folder.
 * @returns the owner that could not be kept, where the process may not give files away; undefined otherwise
 */
export function writeAtomically(path: string, content: string | Buffer, mode: number): Owner | undefined {
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    const file = openSync(temporary, 'wx', mode & 0o600);
    let lost: Owner | undefined;
    try {
      writeFileSync(file, content); // whole or a fault: writeSync may write a part of it on a full disk
      lost = keepOwner(file, path);
      fchmodSync(file, mode); // whatever the umask
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
    return lost;
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

export interface Owner {
  uid: number;
  gid: number;
}

function keepOwner(file: number, path: string): Owner | undefined {
  const isRoot = process.getuid?.() === 0;
  const owner = lstatSync(path, { throwIfNoEntry: false }) ?? (isRoot ? statSync(dirname(path)) : undefined);
  const made = fstatSync(file);
  if (owner === undefined || (owner.uid === made.uid && owner.gid === made.gid)) return undefined;
  const { uid, gid } = owner;
  if (tryChown(file, uid, gid)) return undefined;
  tryChown(file, made.uid, gid);
  return { uid, gid };
}

function tryChown(file: number, uid: number, gid: number): boolean {
  try {
    fchownSync(file, uid, gid);
    return true;
  } catch {
    return false;
  }
}

/** @returns the file's text, or undefined when there is none; other faults are thrown */
export function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * A random secret that outlives restarts, made on first use.
 * @returns 43 characters of base64url
 */
export function loadSecret(path: string, mode: number): string {
  const known = readIfThere(path)?.trim();
  if (known) return known;
  const secret = randomBytes(32).toString('base64url');
  writeAtomically(path, `${secret}\n`, mode);
  return secret;
}

/** The path of the secret that nginx sends to the sidecar over TCP. */
export function verifierSecretPath(stateDir: string): string {
  return join(stateDir, 'verifier_secret');
}
