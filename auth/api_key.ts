// The form of API keys: `kg_<id>_<secret>` for those we make, anything printable for others.

import type { Reason } from './refusals.js';

/** bcrypt reads no further than this; a longer key would be cut silently. */
export const maxBcryptBytes = 72;

/** Characters of the two parts of a generated key. */
export const idCharacters = 8;
export const secretCharacters = 43;

const generated = /^kg_([0-9A-Za-z]{8})_[0-9A-Za-z]{43}$/;

/** @returns the id within a generated key, or an empty text for any other key */
export function parseKeyId(credential: string): string {
  const match = generated.exec(credential);
  return match === null ? '' : (match[1] as string);
}

/**
 * Whether a key may be tried against bcrypt hashes.
 * @returns the reason why not: over 72 bytes, or a byte that bcrypt can't see past
 */
export function checkKeyForm(credential: string): Reason | undefined {
  return credential.length > maxBcryptBytes || /[^\x21-\x7e]/.test(credential) ? 'unknown_key' : undefined;
}
