// A public key and the members that it consists of (RFC 7517 section 4, RFC 7518 section 6).

import type { SignatureAlgorithm } from './algorithms.js';

/** A public key that was checked (jwk.ts); what is not named here was left behind. */
export interface Jwk {
  kty: 'RSA' | 'EC' | 'OKP';
  kid?: string;
  /** The only algorithm that the key is for, where its owner names an algorithm. */
  alg?: SignatureAlgorithm;
  n?: string;
  e?: string;
  crv?: string;
  x?: string;
  y?: string;
  /** Bytes of an RSA modulus, and so of its signatures. */
  modulusBytes?: number;
}

/** What a public key is made of, whoever describes it: a JWK of ours, of jose or of WebCrypto. */
export interface PublicMembers {
  kty?: string;
  n?: string;
  e?: string;
  crv?: string;
  x?: string;
  y?: string;
}

/**
 * Builds a key anew from the public members that its type has. Nothing else reaches importKey (rule 5 in
 * docs/nginx-traps.md), and no private member gets out.
 */
export function publicMembers(jwk: PublicMembers): PublicMembers {
  const { kty, n, e, crv, x, y } = jwk;
  if (kty === 'RSA') return { kty, n: n as string, e: e as string };
  if (kty === 'OKP') return { kty, crv: crv as string, x: x as string };
  return { kty: 'EC', crv: crv as string, x: x as string, y: y as string };
}

/** A key of ours as others get it (RFC 7517 section 4): its public members, its name and its use. */
export interface PublishedJwk extends PublicMembers {
  kid: string | undefined;
  alg: string | undefined;
  use: 'sig';
}

/** Makes the public half of a signing key, to be published. */
export function publishedJwk(jwk: PublicMembers & { kid?: string; alg?: string }): PublishedJwk {
  const { kid, alg } = jwk;
  return Object.assign(publicMembers(jwk), { kid, alg, use: 'sig' as const });
}
