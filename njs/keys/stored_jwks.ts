// Sets of JWKs as shared memory has them, by their sources.

import type { Jwk } from '../../auth/algorithms.js';
import { readState } from './shared_state.js';

/** A set of JWKs as it is stored. `keys` is missing while no key could be loaded. */
export interface StoredJwks {
  /** Whether the operator wants this source at all. */
  configured: boolean;
  issuer?: string;
  keys?: Jwk[];
}

/**
 * Where JWKs come from: our own minting keys, those of the other nodes of a cluster, JWKS_PATH, JWKS_URL, a provider of
 * JWT_PROVIDERS' file.
 */
export type JwksSource = 'minting' | 'shared' | 'local' | 'remote' | ProviderSource;

/** A provider's keys, by its name. */
export type ProviderSource = `provider:${string}`;

/** @returns a stored set of JWKs */
export function readStoredJwks(name: JwksSource): StoredJwks {
  const text = readState(name);
  return text === undefined ? { configured: false } : (JSON.parse(text) as StoredJwks);
}

/** Whether keys should be here and are not. */
export function lacksKeys({ configured, keys }: StoredJwks): boolean {
  return configured && keys === undefined;
}
