// The JWKs to trust, by source: our own minting keys, JWKS_PATH, JWKS_URL; and what is denied. Stored as JSON by
// refresh.ts and remote_jwks.ts, parsed once per context and generation.

import type { Jwk } from '../../auth/algorithms.js';
import type { TrustedKeys } from '../../auth/token_verdict.js';
import { findByFingerprint, readKeySet } from './key_set.js';
import { forgetImportedKeys } from '../platform.js';
import { readState, type StateName } from './shared_state.js';

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
  trusted: TrustedKeys;
  lacksJwks: boolean;
}

// Parsed once per context and generation.
const latest: { generation: string; sets: Sets | undefined } = { generation: '', sets: undefined };

/** The keys that verify tokens now. */
export function readTrustedKeys(generation: string): TrustedKeys {
  return readSets(generation).trusted;
}

/** Whether a configured set of JWKs could not be loaded at all, so that an unknown kid may be our failure. */
export function lacksJwks(generation: string): boolean {
  return readSets(generation).lacksJwks;
}

function readSets(generation: string): Sets {
  if (latest.sets === undefined || latest.generation !== generation) {
    latest.sets = parseSets(generation);
    latest.generation = generation;
    forgetImportedKeys();
  }
  return latest.sets;
}

function parseSets(generation: string): Sets {
  const minting = readStoredJwks('minting');
  const local = readStoredJwks('local');
  const remote = readStoredJwks('remote');
  const denied = parseState<StoredDenials>('denied', { jtis: {}, kids: {} });
  const lacks = (set: StoredJwks) => set.configured && set.keys === undefined;
  const trusted = {
    minting: minting.keys === undefined ? undefined : { issuer: minting.issuer || '', keys: minting.keys },
    local: local.keys || [],
    remote: remote.configured ? remote.keys || [] : undefined,
    isDeniedKid: (kid: string) => has(denied.kids, kid),
    isDeniedJti: (jti: string) => has(denied.jtis, jti),
    findEntry: (fingerprint: string) => {
      const keySet = readKeySet(generation);
      const isUsable = keySet !== undefined && keySet.available;
      return isUsable ? findByFingerprint(keySet, fingerprint) : undefined;
    },
  };
  return { trusted, lacksJwks: lacks(local) || lacks(remote) };
}

function has(list: { [name: string]: true }, name: string): boolean {
  return Object.prototype.hasOwnProperty.call(list, name);
}

/** @returns a stored set of JWKs */
export function readStoredJwks(name: 'minting' | 'local' | 'remote'): StoredJwks {
  return parseState(name, { configured: false });
}

function parseState<T>(name: StateName, otherwise: T): T {
  const text = readState(name);
  return text === undefined ? otherwise : (JSON.parse(text) as T);
}
