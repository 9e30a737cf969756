// One entry of a key file, and how it is named to others without giving it away.

import type { Platform } from './platform.js';

export interface KeyEntry {
  kind: 'bcrypt' | 'sha256' | 'plaintext';
  /** The name before the hash; empty for none. */
  name: string;
  /** The bcrypt string, or the base64url SHA-256 of the key for the other kinds. */
  hash: string;
  /** The `id=` attribute: the second part of keys `kg_<id>_<secret>`; empty for none. */
  id: string;
  /** From when the entry no longer holds, in Unix seconds; undefined for never. */
  expiresSeconds: number | undefined;
  scopes: string[];
  /** The stored text: the line without white space at its ends. */
  text: string;
  line: number;
}

const fingerprintBytes = 16;
const subjectCharacters = 8;

/**
 * What a minted token carries to say from which entry it came.
 * @param secret the HMAC key from STATE_DIR
 * @returns 16 bytes of HMAC-SHA-256 of the stored text, as 22 characters of base64url
 */
export function entryFingerprint(entry: KeyEntry, secret: string, platform: Platform): string {
  return platform.hmacSha256(secret, entry.text, fingerprintBytes);
}

/** @returns the entry's name, or `key-` and 8 characters of its fingerprint */
export function entrySubject(entry: KeyEntry, fingerprint: string): string {
  return entry.name || 'key-' + fingerprint.slice(0, subjectCharacters);
}
