// The JWKs to trust, by source: minting keys, JWKS_PATH, JWKS_URL, named providers; and what is denied. Stored as JSON
// by refresh.ts and remote_jwks.ts, parsed once per context and generation.

import type { TrustedKeys } from '../../auth/token_verdict.js';
import { findByFingerprint, readKeySet } from './key_set.js';
import { readProviders } from './stored_providers.js';
import { forgetImportedKeys } from '../platform.js';
import { readState } from './shared_state.js';
import { lacksKeys, readStoredJwks, type StoredJwks } from './stored_jwks.js';

/** What is denied, as auth/deny_list.ts reads it. */
export interface StoredDenials {
  jtis: { [jti: string]: true };
  kids: { [kid: string]: true };
  /** There was no file when nginx first read the list. */
  isAbsent?: boolean;
}

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
  const minting = readMintingKeys();
  const local = readStoredJwks('local');
  const remote = readStoredJwks('remote');
  const denials = readAllDenials();
  const lists = denials || [];
  const usableKeySet = () => {
    const keySet = readKeySet(generation);
    return keySet !== undefined && keySet.available ? keySet : undefined;
  };
  return {
    minting: minting.issuer === undefined ? undefined : { issuer: minting.issuer, keys: minting.keys },
    unnamed: {
      keys: (local.keys || []).concat((remote.configured && remote.keys) || []),
      lacksJwks: lacksKeys(local) || lacksKeys(remote),
    },
    providers: readProviders(),
    hasDenyList: denials !== undefined,
    isDeniedKid: (kid: string) => isDenied(kid, lists),
    isDeniedJti: (jti: string) => lists.some(({ jtis }) => has(jtis, jti)),
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

/**
 * The keys that verify minted tokens: our own, and those of the other nodes of a cluster. A kid counts once, as ours.
 * @returns no issuer while it is not known, and no keys while none could be loaded
 */
export function readMintingKeys(): Pick<StoredJwks, 'issuer' | 'keys'> {
  const ours = readStoredJwks('minting');
  const others = readStoredJwks('shared');
  if (others.keys === undefined) return ours;
  const keys = ours.keys || [];
  const added = others.keys.filter(({ kid }) => !keys.some((key) => key.kid === kid));
  const issuer = ours.issuer === undefined ? others.issuer : ours.issuer;
  return issuer === undefined ? {} : { issuer, keys: keys.concat(added) };
}

/** In the place of what a snapshot denies. */
export const noCluster = 'off';

/** @returns what a list denies, or undefined while it could not be read */
export function readDenials(name: 'denied' | 'shared_denied'): StoredDenials | undefined {
  const text = readState(name);
  return text === undefined || text === noCluster ? undefined : (JSON.parse(text) as StoredDenials);
}

/** @returns all that is denied, or undefined while a list could not be read */
export function readAllDenials(): StoredDenials[] | undefined {
  const listed = readDenials('denied');
  if (listed === undefined) return undefined;
  if (readState('shared_denied') === noCluster) return [listed];
  const shared = readDenials('shared_denied');
  return shared === undefined ? undefined : [listed, shared];
}

/** Whether the deny lists name a key. */
export function isDenied(kid: string | undefined, denials: StoredDenials[]): boolean {
  return kid !== undefined && denials.some(({ kids }) => has(kids, kid));
}
