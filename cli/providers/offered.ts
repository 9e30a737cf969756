// What an issuer offers, and what of that Keygate refuses: keys, and algorithms that its metadata name.

import { isAlgorithm, type Jwk, type SignatureAlgorithm } from '../../auth/algorithms.js';
import { ownMember } from '../../auth/json.js';
import { fitsAlgorithm, type JwkProblem } from '../../auth/jwk.js';
import type { ProviderEntry } from '../../auth/provider_members.js';
import { clean, type ProviderKeys } from './provider_keys.js';

/** A key that verifies tokens. */
export interface UsedKey {
  kid: string | null;
  /** Type and size, such as `RSA 2048` or `EC P-256`. */
  type: string;
  /** The only algorithm that the key is for, or null for all of its type. */
  alg: string | null;
}

export interface Offered {
  used: UsedKey[];
  /** Keys that verify nothing here. */
  refusedKeys: JwkProblem[];
  /** Algorithms of ID tokens that the metadata name and that are never accepted here. */
  refusedAlgorithms: string[];
  /** Algorithms that the metadata name and that the provider's entry leaves out. */
  leftOutAlgorithms: string[];
  /** Algorithms of the provider's entry that none of its keys fits. */
  unservedAlgorithms: string[];
  /** Keys with private members, which the whole world can read. */
  exposedKeys: JwkProblem[];
}

const maxNames = 32;

/** Compares what is there with what the provider's entry and Keygate accept. */
export function compareOffered({ algorithms: accepted }: ProviderEntry, loaded: ProviderKeys): Offered {
  const { keys = [], problems = [], warnings = [] } = loaded.jwks ?? {};
  const named = namedAlgorithms(loaded);
  const fits = (name: SignatureAlgorithm) => keys.some((jwk) => fitsAlgorithm(jwk, name));
  const isLeftOut = (name: string) => isAlgorithm(name) && accepted !== undefined && !accepted.includes(name);
  return {
    used: keys.map(describeKey),
    refusedKeys: problems,
    refusedAlgorithms: named.filter((name) => !isAlgorithm(name)),
    leftOutAlgorithms: named.filter(isLeftOut),
    unservedAlgorithms: loaded.jwks === undefined ? [] : (accepted ?? []).filter((name) => !fits(name)),
    exposedKeys: warnings,
  };
}

// OpenID Connect Discovery section 3. OAuth metadata do not say how access tokens are signed.
function namedAlgorithms({ unverifiedMetadata }: ProviderKeys): string[] {
  const listed = unverifiedMetadata && ownMember(unverifiedMetadata, 'id_token_signing_alg_values_supported');
  const names = Array.isArray(listed) ? listed.filter((one) => typeof one === 'string') : [];
  return [...new Set(names.slice(0, maxNames).map((name) => clean(name).slice(0, 32)))];
}

function describeKey({ kid, kty, crv, alg, modulusBytes }: Jwk): UsedKey {
  const type = kty === 'RSA' ? `RSA ${(modulusBytes ?? 0) * 8}` : `${kty} ${crv}`;
  return { kid: kid === undefined ? null : clean(kid).slice(0, 64), type, alg: alg ?? null };
}
