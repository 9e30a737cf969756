// The key that signs: made at the first start, moved on as time passes, read again when its file has changed.

import { statSync } from 'node:fs';
import { importJWK, type CryptoKey, type JWK } from 'jose';
import { readIfThere } from '../../node/state_files.js';
import { advanceKeys } from './key_rotation.js';
import {
  makeSigningKey,
  publicJwksPath,
  readSigningKeys,
  signingKeysPath,
  writeSigningKeys,
  type SigningAlgorithm,
  type StoredSigningKey,
} from './stored_keys.js';

export interface SigningKey {
  kid: string;
  alg: SigningAlgorithm;
  key: CryptoKey;
}

/** The key that signs now: read again when the file has changed, and moved on when its time has come. */
export function openSigningKeys(stateDir: string, ttlSeconds: number): () => Promise<SigningKey | undefined> {
  let stamp = '';
  let current: SigningKey | undefined;
  let stored: StoredSigningKey[] = [];
  const hasLasted = watchRetired(ttlSeconds);
  return async () => {
    const advanced = advanceKeys(stored, Date.now() / 1000, { ttlSeconds, hasLasted });
    if (advanced !== stored) writeSigningKeys(stateDir, advanced);
    const { mtimeMs, ino } = statSync(signingKeysPath(stateDir));
    if (`${mtimeMs}:${ino}` !== stamp) {
      stored = readSigningKeys(stateDir);
      const active = stored.find((key) => key.state === 'active');
      current = active === undefined ? undefined : await importSigningKey(active.jwk);
      stamp = `${mtimeMs}:${ino}`;
    }
    return current;
  };
}

/**
 * Whether this process has had a retired key for an hour, or the longest life of a token: a clock that was set forward
 * and back again must not lose the key of tokens that still hold.
 */
function watchRetired(ttlSeconds: number): (kid: string) => boolean {
  const sinceMs = new Map<string, number>();
  const leastMs = Math.min(ttlSeconds, 3600) * 1000;
  return (kid) => {
    const nowMs = performance.now();
    if (!sinceMs.has(kid)) sinceMs.set(kid, nowMs);
    return nowMs - (sinceMs.get(kid) as number) >= leastMs;
  };
}

async function importSigningKey(jwk: JWK): Promise<SigningKey> {
  const alg = jwk.alg as SigningAlgorithm;
  return { kid: jwk.kid as string, alg, key: (await importJWK(jwk, alg)) as CryptoKey };
}

/** Makes a key that signs by `alg`, unless the active key does; publishes the keys where jwks.json is missing. */
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
