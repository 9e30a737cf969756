// Files under STATE_DIR: written completely or not at all, with the mode they need from the first byte on.

import {
  closeSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
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
 * Writes a file by way of a temporary one beside it, so that no reader meets half of it. What root writes for a
 * sidecar that runs as somebody else (`keygate jwks rotate`) belongs to the owner of the file or folder.
 */
export function writeAtomically(path: string, content: string, mode: number): void {
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    const file = openSync(temporary, 'wx', mode);
    try {
      writeFileSync(file, content); // whole or a fault: writeSync may write a part of it on a full disk
      if (process.getuid?.() === 0) giveToOwner(file, path);
      fchmodSync(file, mode); // whatever the umask
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

function giveToOwner(file: number, path: string): void {
  const { uid, gid } = statSync(path, { throwIfNoEntry: false }) ?? statSync(dirname(path));
  fchownSync(file, uid, gid);
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

/** Where the secret is that nginx sends over TCP. */
export function verifierSecretPath(stateDir: string): string {
  return join(stateDir, 'verifier_secret');
}
