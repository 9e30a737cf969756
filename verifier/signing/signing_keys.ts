// The keys that sign our tokens. STATE_DIR/signing/signing_keys.json, for the sidecar alone:
//   { "keys": [ { "state": "active" | "next" | "retired", "sinceSeconds": 0, "jwk": { private JWK with kid, alg } } ] }
// Public halves of all of them go to STATE_DIR/public/jwks.json (RFC 7517), which nginx reads.

import { chmodSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type CryptoKey, type JWK } from 'jose';
import { advanceKeys } from './key_rotation.js';
import { readIfThere, writeAtomically } from '../../node/state_files.js';

export type SigningAlgorithm = 'RS256' | 'ES256' | 'EdDSA';

export interface StoredSigningKey {
  /** active signs; next is published but does not sign yet; retired only verifies. */
  state: 'active' | 'next' | 'retired';
  /** Since when it is in that state, in Unix seconds. */
  sinceSeconds: number;
  jwk: JWK;
}

export interface SigningKey {
  kid: string;
  alg: SigningAlgorithm;
  key: CryptoKey;
}

/** Where the signing keys of a STATE_DIR are. */
export function signingKeysPath(stateDir: string): string {
  return join(stateDir, 'signing', 'signing_keys.json');
}

/** Where their public halves are. */
export function publicJwksPath(stateDir: string): string {
  return join(stateDir, 'public', 'jwks.json');
}

/** @returns the stored keys; none when nothing was made yet */
export function readSigningKeys(stateDir: string): StoredSigningKey[] {
  const text = readIfThere(signingKeysPath(stateDir));
  if (text === undefined) return [];
  const { keys } = JSON.parse(text) as { keys: StoredSigningKey[] };
  return keys;
}

/** Stores the keys, and publishes their public halves first: nginx must know a key before it signs. */
export function writeSigningKeys(stateDir: string, keys: StoredSigningKey[]): void {
  const jwks = { keys: keys.map(({ jwk }) => publicHalf(jwk)) };
  writeAtomically(publicJwksPath(stateDir), `${JSON.stringify(jwks, null, 2)}\n`, 0o644);
  const path = signingKeysPath(stateDir);
  mkdirSync(join(stateDir, 'signing'), { recursive: true, mode: 0o700 });
  chmodSync(join(stateDir, 'signing'), 0o700);
  writeAtomically(path, `${JSON.stringify({ keys }, null, 2)}\n`, 0o600);
}

/**
 * Makes a key pair with its RFC 7638 thumbprint as kid; one that a shell's user can write after a command without care.
 */
export async function makeSigningKey(alg: SigningAlgorithm): Promise<JWK> {
  for (;;) {
    const { privateKey } = await generateKeyPair(alg, { extractable: true, modulusLength: 2048 });
    const jwk = await exportJWK(privateKey);
    const kid = await calculateJwkThumbprint(jwk);
    if (!kid.startsWith('-')) return { ...jwk, alg, use: 'sig', kid };
  }
}

/** A key's public members, named one by one. */
function publicHalf({ kty, kid, alg, use, n, e, crv, x, y }: JWK): JWK {
  const members = { kty, kid, alg, use, n, e, crv, x, y };
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as JWK;
}

/** The key that signs now: read again when the file has changed, and moved on when its time has come. */
export function openSigningKeys(stateDir: string, ttlSeconds: number): () => Promise<SigningKey | undefined> {
  let mark = '';
  let current: SigningKey | undefined;
  let stored: StoredSigningKey[] = [];
  return async () => {
    const advanced = advanceKeys(stored, Date.now() / 1000, ttlSeconds);
    if (advanced !== stored) writeSigningKeys(stateDir, advanced);
    const { mtimeMs, ino } = statSync(signingKeysPath(stateDir));
    if (`${mtimeMs}:${ino}` !== mark) {
      stored = readSigningKeys(stateDir);
      const active = stored.find((key) => key.state === 'active');
      current = active === undefined ? undefined : await importSigningKey(active.jwk);
      mark = `${mtimeMs}:${ino}`;
    }
    return current;
  };
}

async function importSigningKey(jwk: JWK): Promise<SigningKey> {
  const alg = jwk.alg as SigningAlgorithm;
  return { kid: jwk.kid as string, alg, key: (await importJWK(jwk, alg)) as CryptoKey };
}

/** Makes the first key where there is none that signs. */
export async function ensureSigningKey(stateDir: string, alg: SigningAlgorithm): Promise<void> {
  const stored = readSigningKeys(stateDir);
  const active = stored.find((key) => key.state === 'active');
  if (active !== undefined && active.jwk.alg === alg) {
    if (readIfThere(publicJwksPath(stateDir)) === undefined) writeSigningKeys(stateDir, stored);
    return;
  }
  const sinceSeconds = Math.floor(Date.now() / 1000);
  const before = stored.map((key) => (key === active ? { ...key, state: 'retired' as const, sinceSeconds } : key));
  writeSigningKeys(stateDir, [{ state: 'active', sinceSeconds, jwk: await makeSigningKey(alg) }, ...before]);
}
