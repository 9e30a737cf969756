// How signing keys come and go: published before they sign, kept until the last token that they signed has expired.

import type { SigningAlgorithm, StoredSigningKey } from './stored_keys.js';
import { makeSigningKey } from './stored_keys.js';
import type { JWK } from 'jose';

/** As long as others may keep our JWKS (its max-age), a new key does not sign. */
export const publishSeconds = 300;
const marginSeconds = 60;

/** When a retired key may go. */
export interface Retiring {
  /** How long a token holds at most. */
  ttlSeconds: number;
  /** Whether the key has been retired for long enough by a clock that does not jump. */
  hasLasted: (kid: string) => boolean;
}

/**
 * Moves keys on as time passes: next to active, active to retired, retired to gone.
 * @returns the same array when nothing has changed
 */
export function advanceKeys(
  keys: StoredSigningKey[],
  nowSeconds: number,
  { ttlSeconds, hasLasted }: Retiring,
): StoredSigningKey[] {
  const isOver = ({ state, sinceSeconds, jwk }: StoredSigningKey) =>
    state === 'retired' && hasLasted(jwk.kid ?? '') && nowSeconds >= sinceSeconds + ttlSeconds + marginSeconds;
  // A state that began in the future began before the clock was set back: it counts from now on.
  const isAhead = (key: StoredSigningKey) => key.sinceSeconds > nowSeconds + marginSeconds;
  if (keys.some(isAhead)) return keys.map((key) => (isAhead(key) ? { ...key, sinceSeconds: nowSeconds } : key));
  const kept = keys.filter((key) => !isOver(key));
  const due = kept.find((key) => key.state === 'next' && nowSeconds >= key.sinceSeconds + publishSeconds);
  if (due !== undefined) return activate(kept, due.jwk.kid ?? '', nowSeconds);
  return kept.length === keys.length ? keys : kept;
}

/** Makes a key the active key, and retires the active key before it. */
export function activate(keys: StoredSigningKey[], kid: string, nowSeconds: number): StoredSigningKey[] {
  return keys.map((key) => {
    if (key.jwk.kid === kid) return { ...key, state: 'active' as const, sinceSeconds: nowSeconds };
    return key.state === 'active' ? { ...key, state: 'retired' as const, sinceSeconds: nowSeconds } : key;
  });
}

/** Adds a key that is published and does not sign yet. */
export function addNext(keys: StoredSigningKey[], jwk: JWK, nowSeconds: number): StoredSigningKey[] {
  const others = keys.filter((key) => key.jwk.kid !== jwk.kid);
  return [...others, { state: 'next', sinceSeconds: nowSeconds, jwk }];
}

/** Takes a key out at once. Where that leaves no active key, the next key signs, or else a new key. */
export async function removeKey(
  keys: StoredSigningKey[],
  kid: string,
  { nowSeconds, alg }: { nowSeconds: number; alg: SigningAlgorithm },
): Promise<StoredSigningKey[]> {
  const left = keys.filter((key) => key.jwk.kid !== kid);
  if (left.some((key) => key.state === 'active')) return left;
  const next = left.find((key) => key.state === 'next');
  if (next !== undefined) return activate(left, next.jwk.kid ?? '', nowSeconds);
  return [...left, { state: 'active', sinceSeconds: nowSeconds, jwk: await makeSigningKey(alg) }];
}
