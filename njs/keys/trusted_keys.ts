// The JWKs to trust, by source: our own minting keys, JWKS_PATH, JWKS_URL; and what is denied. Stored as JSON by
// refresh.ts and remote_jwks.ts, parsed once per context and generation.

import type { Jwk } from '../../auth/algorithms.js';
import type { TrustedKeys } from '../../auth/token_verdict.js';
import { findByFingerprint, readKeySet } from './key_set.js';
import { forgetImportedKeys } from '../platform.js';
import { readState } from './shared_state.js';

/** A set of JWKs as it is stored. `keys` is missing while no key could be loaded. */
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
  /** There was no file when nginx first read the list. */
  isAbsent?: boolean;
}

/** Where JWKs come from: our own minting keys, JWKS_PATH, JWKS_URL. */
export type JwksSource = 'minting' | 'local' | 'remote';

export const jwksSources: JwksSource[] = ['minting', 'local', 'remote'];

// Parsed once per context and generation.
const latest: { generation: string; trusted: TrustedKeys | undefined } = { generation: '', trusted: undefined };

/** The keys that verify tokens now. */
export function readTrustedKeys(generation: string): TrustedKeys {
  if (latest.trusted === undefined || latest.generation !== generation) {
    latest.trusted = parseSets(generation);
    latest.generation = generation;
    forgetImportedKeys();
  }
  return latest.trusted;
}

function parseSets(generation: string): TrustedKeys {
  const minting = readStoredJwks('minting');
  const local = readStoredJwks('local');
  const remote = readStoredJwks('remote');
  const denied = readDenials();
  const { jtis, kids } = denied || { jtis: {}, kids: {} };
  const lacks = (set: StoredJwks) => set.configured && set.keys === undefined;
  const usableKeySet = () => {
    const keySet = readKeySet(generation);
    return keySet !== undefined && keySet.available ? keySet : undefined;
  };
  return {
    minting: minting.issuer === undefined ? undefined : { issuer: minting.issuer, keys: minting.keys },
    unnamed: {
      keys: (local.keys || []).concat((remote.configured && remote.keys) || []),
      lacksJwks: lacks(local) || lacks(remote),
    },
    providers: undefined,
    hasDenyList: denied !== undefined,
    isDeniedKid: (kid: string) => has(kids, kid),
    isDeniedJti: (jti: string) => has(jtis, jti),
    hasEntries: () => usableKeySet() !== undefined,
    findEntry: (fingerprint: string) => {
      const keySet = usableKeySet();
      return keySet === undefined ? undefined : findByFingerprint(keySet, fingerprint);
    },
  };
}

function has(list: { [name: string]: true }, name: string): boolean {
  return Object.prototype.hasOwnProperty.call(list, name);
}

/** @returns a stored set of JWKs */
export function readStoredJwks(name: JwksSource): StoredJwks {
  const text = readState(name);
  return text === undefined ? { configured: false } : (JSON.parse(text) as StoredJwks);
}

/** @returns what is denied, or undefined while no list could be read */
export function readDenials(): StoredDenials | undefined {
  const text = readState('denied');
  return text === undefined ? undefined : (JSON.parse(text) as StoredDenials);
}
