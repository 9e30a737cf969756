// The last good texts of the key file and of the snapshot, in a cluster. When one of the two files changes while the
// other is unusable, a new set is still made of both: a revocation must not wait for another file's repair.

import { clearState, readState, writeState } from './shared_state.js';

/** The files that a set of API keys is made of. */
export type KeyFileName = 'keys' | 'snapshot';

export interface Content {
  text: string;
  /** SHA-256 of the file's bytes; empty for no file. */
  digest: string;
}

export const keyFileNames: KeyFileName[] = ['keys', 'snapshot'];

/** @returns undefined where there is none */
export function readLastGood(name: KeyFileName): Content | undefined {
  const digest = digestOfLastGood(name);
  const text = digest === undefined ? undefined : ngx.shared.keygate_sources.get(name);
  return digest === undefined || text === undefined ? undefined : { text, digest };
}

/** @returns undefined where there is none */
export function digestOfLastGood(name: KeyFileName): string | undefined {
  return readState(`last_good:${name}`);
}

/**
 * Keeps a text.
 * @returns false where the zone is too small
 */
export function keepLastGood(name: KeyFileName, { text, digest }: Content): boolean {
  if ((digestOfLastGood(name) || '') === digest) return true;
  try {
    ngx.shared.keygate_sources.set(name, text);
  } catch (_) {
    return false; // SharedMemoryError
  }
  writeState(`last_good:${name}`, digest);
  return true;
}

/** Forgets both texts: other sources count from now on. */
export function forgetLastGood(): void {
  keyFileNames.forEach((name) => clearState(`last_good:${name}`));
  ngx.shared.keygate_sources.clear();
}
