// Signed tokens and the JWKs that verify them.

import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK, type JWTPayload } from 'jose';

export interface Signer {
  alg: string;
  kid: string;
  privateKey: CryptoKey;
  publicJwk: JWK;
  /** Signs claims; `exp` is in five minutes unless it is named. */
  sign: (claims?: JWTPayload, header?: { [name: string]: unknown }) => Promise<string>;
}

/** Makes a key pair and what signs with it. */
export async function makeSigner(alg: string, kid: string): Promise<Signer> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  const publicJwk: JWK = { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' };
  const sign = (claims: JWTPayload = {}, header: { [name: string]: unknown } = {}) =>
    new SignJWT({ sub: 'alice', iss: 'https://issuer.example', exp: inSeconds(300), ...claims })
      .setProtectedHeader({ alg, kid, ...header })
      .sign(privateKey);
  return { alg, kid, privateKey, publicJwk, sign };
}

/** Unix seconds from now on. */
export function inSeconds(seconds: number): number {
  return Math.floor(Date.now() / 1000) + seconds;
}

/** A JWKS file's text. */
export function jwksOf(...signers: Signer[]): string {
  return JSON.stringify({ keys: signers.map((signer) => signer.publicJwk) });
}
