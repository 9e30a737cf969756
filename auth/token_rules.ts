// How the tokens of a provider are judged, beside the form, the keys and the dates that hold for all tokens. A provider
// is somebody who issues tokens: the unnamed one of JWT_ISSUER, or one of JWT_PROVIDERS' file.

import type { Jwk, SignatureAlgorithm } from './algorithms.js';
import type { ClaimPath } from './claim_path.js';
import type { ClaimTest } from './claim_tests.js';

/** The rules of a provider. Those that may be absent are absent for the unnamed provider. */
export interface TokenRules {
  audiences: string[] | 'any';
  /** By how many seconds the provider's clock and ours may differ. */
  leewaySeconds: number;
  /** Absent: all of algorithms.ts. */
  algorithms?: SignatureAlgorithm[] | undefined;
  /** Tests that all have to be passed. */
  require?: ClaimTest[] | undefined;
  /** The claims of which the first that is not empty is the subject. Absent: `sub`, which a token may lack. */
  subject?: ClaimPath[] | undefined;
  /** The claims that hold scopes. Absent: `scope` and `scp`, of which an array's elements may hold several each. */
  scopes?: ClaimPath[] | undefined;
  /** The claims that the upstream gets; those that nginx has variables for. Absent: none. */
  claims?: ClaimPath[] | undefined;
}

/** What a location asks of tokens: whether it takes the unnamed provider, with which rules, and which others. */
export interface JwtSettings extends TokenRules {
  /** The issuers of the unnamed provider. `any` holds only while there are no named providers. */
  issuers: string[] | 'any';
  /** The names of the providers that the location takes; absent for all, and for the unnamed one beside them. */
  providers?: string[] | undefined;
}

/** A source of keys. */
export interface KeySource {
  keys: Jwk[];
  /** Whether a set of keys is meant to be here and none could be loaded, so that a missing key is our failure. */
  lacksJwks: boolean;
}

/** A provider of JWT_PROVIDERS' file, with the keys that are loaded now. */
export interface Provider extends TokenRules, KeySource {
  name: string;
  issuers: string[];
}

/**
 * Finds the named provider of an issuer, among ten as quickly as among one.
 * @param unverifiedIssuer any text: the token is not verified yet
 */
export type ProvidersByIssuer = (unverifiedIssuer: string) => Provider | undefined;

/** Orders providers by issuer. */
export function groupByIssuer(providers: Provider[]): ProvidersByIssuer {
  const found = Object.create(null) as { [issuer: string]: Provider };
  providers.forEach((provider) => {
    provider.issuers.forEach((issuer) => {
      found[issuer] = provider;
    });
  });
  return (issuer) => (Object.prototype.hasOwnProperty.call(found, issuer) ? found[issuer] : undefined);
}
