// Which sets of keys can do their work: for /health/ready and /status.

import { currentKeySet } from './key_set.js';
import { isFaulty } from './source_faults.js';
import { readStoredJwks, type JwksSource, type StoredJwks } from './stored_jwks.js';
import { jwksSources, readProviders } from './stored_providers.js';
import { readAllDenials } from './trusted_keys.js';

/** ok: works; degraded: works with what was good before; failing: can't work. */
export type Condition = 'ok' | 'degraded' | 'failing';

/** The condition of the API keys. */
export function conditionOfKeys(): Condition {
  const keySet = currentKeySet();
  if (keySet === undefined || !keySet.available) return 'failing';
  return isFaulty('keys') || isFaulty('snapshot') || isFaulty('denied') ? 'degraded' : 'ok';
}

function conditionOfJwks(name: JwksSource): Condition {
  const stored: StoredJwks = readStoredJwks(name);
  if (!stored.configured || name === 'minting' || name === 'shared') return isFaulty(name) ? 'degraded' : 'ok';
  if (stored.keys === undefined) return 'failing';
  return isFaulty(name) ? 'degraded' : 'ok';
}

/** Whether no source has a JWK. */
export function hasNoJwks(): boolean {
  return jwksSources().every((name) => (readStoredJwks(name).keys || []).length === 0);
}

/** @returns the worst of some conditions */
export function worstOf(conditions: Condition[]): Condition {
  if (conditions.indexOf('failing') >= 0) return 'failing';
  return conditions.indexOf('degraded') >= 0 ? 'degraded' : 'ok';
}

/** The condition of the JWKs of all sources, of the providers' file, and of the deny list. */
export function conditionOfAllJwks(): Condition {
  const conditions = jwksSources().map(conditionOfJwks).concat(conditionOfProviders());
  return worstOf(readAllDenials() === undefined ? conditions.concat('failing') : conditions);
}

function conditionOfProviders(): Condition {
  if (readProviders() === 'unavailable') return 'failing';
  return isFaulty('providers') ? 'degraded' : 'ok';
}
