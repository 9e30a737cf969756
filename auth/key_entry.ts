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
  /** From when the entry no longer holds, in Unix seconds; null for never. */
  expiresSeconds: number | null;
  scopes: string[];
  /** The stored text: the line without white space at its ends. */
  text: string;
  line: number;
}

const fingerprintCharacters = 22; // the last of them carries two bits
const subjectCharacters = 8;

/**
 * What a minted token carries to say from which entry it came.
 * @param secret the HMAC key from STATE_DIR
 * @returns 16 bytes of HMAC-SHA-256 of the stored text, as 22 characters of base64url
 */
export function entryFingerprint(entry: KeyEntry, secret: string, platform: Platform): string {
  const mac = platform.hmacSha256(secret, entry.text);
  return mac.slice(0, fingerprintCharacters - 1) + firstTwoBits(mac.charCodeAt(fingerprintCharacters - 1));
}

// The base64url character with the same first two bits and zeros after them: A-P, Q-f, g-v, w-_ in its alphabet.
function firstTwoBits(code: number): string {
  if (code >= 97 && code <= 122) return code <= 102 ? 'Q' : code <= 118 ? 'g' : 'w';
  if (code >= 65 && code <= 90) return code <= 80 ? 'A' : 'Q';
  return 'w';
}

/** @returns the entry's name, or `key-` and 8 characters of its fingerprint */
export function entrySubject(entry: KeyEntry, fingerprint: string): string {
  return entry.name || 'key-' + fingerprint.slice(0, subjectCharacters);
}
