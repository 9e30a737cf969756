// Tokens in exchange for API keys (RFC 9068 claims; RFC 6749 section 5.1 answer).

import { randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import type { SigningKey } from './signing_keys.js';

export interface MintedToken {
  token: string;
  access_token: string;
  token_type: 'Bearer';
  expires_in: number;
  kid: string;
  alg: string;
}

export interface Minting {
  signingKey: SigningKey;
  issuer: string;
  audience: string;
  subject: string;
  scopes: string[];
  ttlSeconds: number;
  /** From when the key's entry itself no longer holds, in Unix seconds; null for never. */
  entryExpiresSeconds: number | null;
  /** What ties the token to the entry it came from. */
  fingerprint: string;
}

/** Signs a token that ends no later than the entry it comes from. */
export async function mintToken(minting: Minting): Promise<MintedToken> {
  const { signingKey, scopes, entryExpiresSeconds } = minting;
  const nowSeconds = Math.floor(Date.now() / 1000);
  const wanted = nowSeconds + minting.ttlSeconds;
  const expires = Math.min(wanted, Math.ceil(entryExpiresSeconds ?? wanted));
  const token = await new SignJWT({ scope: scopes.join(' '), key: minting.fingerprint })
    .setProtectedHeader({ alg: signingKey.alg, kid: signingKey.kid, typ: 'at+jwt' })
    .setIssuer(minting.issuer)
    .setAudience(minting.audience)
    .setSubject(minting.subject)
    .setIssuedAt(nowSeconds)
    .setExpirationTime(expires)
    .setJti(randomUUID())
    .sign(signingKey.key);
  const { kid, alg } = signingKey;
  return { token, access_token: token, token_type: 'Bearer', expires_in: expires - nowSeconds, kid, alg };
}
