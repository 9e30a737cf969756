// The JWKs to trust, by source: our own minting keys, JWKS_PATH, JWKS_URL; and what is denied. Stored as JSON by
// refresh.ts and remote_jwks.ts, parsed once per context and generation.

import type { Jwk } from '../auth/jwk.js';
import type { TrustedKeys } from '../auth/token_verdict.js';
import { entryEnds, type KeySet } from './key_set.js';
import { readGeneration, readState, type StateName } from './state.js';

/** A set of JWKs as it is stored. `keys` is missing while none could be loaded. */
export interface StoredJwks {
  /** Whether the operator wants this source at all. */
  configured: boolean;
  issuer?: string;
  keys?: Jwk[];
}

/** What is denied, as auth/deny_list.ts reads it. */
export interface StoredDenials {
  jtis: { [jti: string]: true };
  kids: { [kid: string]: true };
}

interface Sets {
  minting: StoredJwks;
  local: StoredJwks;
  remote: StoredJwks;
  denied: StoredDenials;
}

const latest: { generation: string | undefined; sets: Sets | undefined } = {
  generation: '',
  sets: undefined,
};

/**
 * The keys that verify tokens now.
 * @param keySet whose entries keep minted tokens alive
 */
export function readTrustedKeys(keySet: KeySet | undefined): TrustedKeys {
  const { minting, local, remote, denied } = readSets();
  const nowSeconds = Date.now() / 1000;
  const has = (list: { [name: string]: true }, name: string) =>
    Object.prototype.hasOwnProperty.call(list, name);
  return {
    minting: minting.keys === undefined ? undefined : { issuer: minting.issuer || '', keys: minting.keys },
    local: local.keys || [],
    remote: remote.configured ? remote.keys || [] : undefined,
    isDeniedKid: (kid) => has(denied.kids, kid),
    isDeniedJti: (jti) => has(denied.jtis, jti),
    entryEnds: (fingerprint) =>
      keySet !== undefined && keySet.available ? entryEnds(keySet, fingerprint, nowSeconds) : undefined,
  };
}

/** Whether a configured set of JWKs could not be loaded at all, so that an unknown kid may be our failure. */
export function lacksJwks(): boolean {
  const { local, remote } = readSets();
  return (local.configured && local.keys === undefined) || (remote.configured && remote.keys === undefined);
}

/** @returns a stored set of JWKs */
export function readStoredJwks(name: 'minting' | 'local' | 'remote'): StoredJwks {
  return parseState(name, { configured: false });
}

function readSets(): Sets {
  const generation = readGeneration();
  if (latest.sets !== undefined && latest.generation === generation) return latest.sets;
  const sets: Sets = {
    minting: readStoredJwks('minting'),
    local: readStoredJwks('local'),
    remote: readStoredJwks('remote'),
    denied: parseState('denied', { jtis: {}, kids: {} }),
  };
  latest.sets = sets;
  latest.generation = generation;
  return sets;
}

function parseState<T>(name: StateName, otherwise: T): T {
  const text = readState(name);
  return text === undefined ? otherwise : (JSON.parse(text) as T);
}
