// The keys that sign our tokens, as they are stored. STATE_DIR/signing/signing_keys.json, for the sidecar alone:
//   { "keys": [ { "state": "active" | "next" | "retired", "sinceSeconds": 0, "jwk": { private JWK with kid, alg } } ] }
// Public halves of all of them go to STATE_DIR/public/jwks.json (RFC 7517), which nginx reads.

import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from 'jose';
import { publishedJwk } from '../../auth/algorithms.js';
import { readIfThere, writeAtomically } from '../../node/state_files.js';

export type SigningAlgorithm = 'RS256' | 'ES256' | 'EdDSA';

export interface StoredSigningKey {
  /** active signs; next is published but does not sign yet; retired only verifies. */
  state: 'active' | 'next' | 'retired';
  /** Since when it is in that state, in Unix seconds. */
  sinceSeconds: number;
  jwk: JWK;
}

/** Where the signing keys of a STATE_DIR are. */
export function signingKeysPath(stateDir: string): string {
  return join(stateDir, 'signing', 'signing_keys.json');
}

/** Where their public halves are. */
export function publicJwksPath(stateDir: string): string {
  return join(stateDir, 'public', 'jwks.json');
}

/** @returns the stored keys; an empty list before the first key is made */
export function readSigningKeys(stateDir: string): StoredSigningKey[] {
  const text = readIfThere(signingKeysPath(stateDir));
  if (text === undefined) return [];
  const { keys } = JSON.parse(text) as { keys: StoredSigningKey[] };
  return keys;
}

/** Stores the keys, and publishes their public halves first: nginx must know a key before it signs. */
export function writeSigningKeys(stateDir: string, keys: StoredSigningKey[]): void {
  const jwks = { keys: keys.map(({ jwk }) => publishedJwk(jwk)) };
  writeAtomically(publicJwksPath(stateDir), `${JSON.stringify(jwks, null, 2)}\n`, 0o644);
  const path = signingKeysPath(stateDir);
  mkdirSync(join(stateDir, 'signing'), { recursive: true, mode: 0o700 });
  chmodSync(join(stateDir, 'signing'), 0o700);
  writeAtomically(path, `${JSON.stringify({ keys }, null, 2)}\n`, 0o600);
}

/**
 * Makes a key pair with its RFC 7638 thumbprint as kid, but no kid that begins with a dash: a command would take such a
 * kid for an option.
 */
export async function makeSigningKey(alg: SigningAlgorithm): Promise<JWK> {
  for (;;) {
    const { privateKey } = await generateKeyPair(alg, { extractable: true, modulusLength: 2048 });
    const jwk = await exportJWK(privateKey);
    const kid = await calculateJwkThumbprint(jwk);
    if (!kid.startsWith('-')) return { ...jwk, alg, use: 'sig', kid };
  }
}
