// Which signature algorithms are accepted, and which key each algorithm takes (RFC 7518 sections 3.1 and 6, RFC 8037
// section 3.1).

export type SignatureAlgorithm =
  'RS256' | 'RS384' | 'RS512' | 'PS256' | 'PS384' | 'PS512' | 'ES256' | 'ES384' | 'ES512' | 'EdDSA' | 'Ed25519';

export interface Algorithm {
  /** The key type that the algorithm takes; a token never chooses the type. */
  kty: 'RSA' | 'EC' | 'OKP';
  /** The only curve that the algorithm takes. */
  crv?: 'P-256' | 'P-384' | 'P-521' | 'Ed25519';
  /** Bytes of a signature; absent for RSA, whose signatures are as long as the modulus. */
  signatureBytes?: number;
  /** WebCrypto's parameters for importKey. */
  import: { name: string; hash?: string; namedCurve?: string };
  /** WebCrypto's parameters for verify. */
  verify: { name: string; hash?: string; saltLength?: number };
}

const rs = (hash: string): Algorithm => ({
  kty: 'RSA',
  import: { name: 'RSASSA-PKCS1-v1_5', hash },
  verify: { name: 'RSASSA-PKCS1-v1_5' },
});

const ps = (hash: string, saltLength: number): Algorithm => ({
  kty: 'RSA',
  import: { name: 'RSA-PSS', hash },
  verify: { name: 'RSA-PSS', saltLength },
});

const es = (crv: 'P-256' | 'P-384' | 'P-521', hash: string, signatureBytes: number): Algorithm => ({
  kty: 'EC',
  crv,
  signatureBytes,
  import: { name: 'ECDSA', namedCurve: crv },
  verify: { name: 'ECDSA', hash },
});

const ed25519: Algorithm = {
  kty: 'OKP',
  crv: 'Ed25519',
  signatureBytes: 64,
  import: { name: 'Ed25519' },
  verify: { name: 'Ed25519' },
};

/** The gateway accepts these algorithms and no other. */
export const algorithms: { readonly [name in SignatureAlgorithm]: Algorithm } = {
  RS256: rs('SHA-256'),
  RS384: rs('SHA-384'),
  RS512: rs('SHA-512'),
  PS256: ps('SHA-256', 32),
  PS384: ps('SHA-384', 48),
  PS512: ps('SHA-512', 64),
  ES256: es('P-256', 'SHA-256', 64),
  ES384: es('P-384', 'SHA-384', 96),
  ES512: es('P-521', 'SHA-512', 132),
  EdDSA: ed25519,
  Ed25519: ed25519, // RFC 9864: unlike `EdDSA`, this name says which curve
};

/** Whether two names mean the same algorithm here: the only curve of EdDSA that is accepted is Ed25519 (RFC 9864). */
export function isSameAlgorithm(one: SignatureAlgorithm, other: SignatureAlgorithm): boolean {
  return one === other || algorithms[one] === algorithms[other];
}

/** Whether a value names an accepted algorithm, to the letter. */
export function isAlgorithm(value: unknown): value is SignatureAlgorithm {
  return typeof value === 'string' && Object.prototype.hasOwnProperty.call(algorithms, value);
}

/** A public key that jwk.ts has checked; jwk.ts drops every member that is not listed here. */
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

/** The public members of a key, typed so that a JWK of ours, of jose or of WebCrypto fits. */
export interface PublicMembers {
  kty?: string;
  n?: string;
  e?: string;
  crv?: string;
  x?: string;
  y?: string;
}

/**
 * Copies only the public members that the key's type has. So no other member reaches importKey (rule 5 in
 * docs/nginx-traps.md), and no private member is published.
 */
export function publicMembers(jwk: PublicMembers): PublicMembers {
  const { kty, n, e, crv, x, y } = jwk;
  if (kty === 'RSA') return { kty, n: n as string, e: e as string };
  if (kty === 'OKP') return { kty, crv: crv as string, x: x as string };
  return { kty: 'EC', crv: crv as string, x: x as string, y: y as string };
}

/** A signing key of ours as the JWKS publishes it (RFC 7517 section 4). */
export interface PublishedJwk extends PublicMembers {
  kid: string | undefined;
  alg: string | undefined;
  use: 'sig';
}

interface Names {
  kid?: string | undefined;
  alg?: string | undefined;
}

/** Makes the public half of a signing key, to be published. */
export function publishedJwk(jwk: PublicMembers & Names): PublishedJwk {
  const { kid, alg } = jwk;
  return Object.assign(publicMembers(jwk), { kid, alg, use: 'sig' as const });
}
