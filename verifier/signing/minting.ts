// Tokens in exchange for API keys (RFC 9068 claims; RFC 6749 section 5.1 answer).

import { randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import type { SigningKey } from './signing_keys.js';
import type { Reason } from '../../auth/refusals.js';
import { parseJsonObject, ownMember, type UnverifiedObject } from '../../auth/json.js';
import { holdsScopes, parseScope } from '../../auth/verdict.js';

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
  /** Ties the token to the entry that it comes from. */
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

export interface TokenRequest {
  ttlSeconds: number;
  scopes: string[];
}

export interface TokenLimits {
  maxTtlSeconds: number;
  /** Scopes that the key holds. */
  scopes: string[];
}

/** Reads what a client asks for, or says what is wrong with it. */
export function parseTokenRequest(
  { body, contentType }: { body: string; contentType: string },
  limits: TokenLimits,
): TokenRequest | { reason: Reason } {
  const members = parseBody(body, contentType);
  if (members === undefined) return { reason: 'invalid_token_request' };
  const ttl = ownMember(members, 'ttl');
  const scope = ownMember(members, 'scope');
  const isTtl = typeof ttl === 'number' && Number.isInteger(ttl) && ttl >= 1 && ttl <= limits.maxTtlSeconds;
  if (ttl !== undefined && !isTtl) return { reason: 'invalid_ttl' };
  const scopes = scope === undefined ? limits.scopes : typeof scope === 'string' ? parseScope(scope) : undefined;
  if (scopes === undefined || !holdsScopes(limits.scopes, scopes)) return { reason: 'invalid_scope' };
  return { ttlSeconds: isTtl ? ttl : limits.maxTtlSeconds, scopes };
}

function parseBody(body: string, contentType: string): UnverifiedObject | undefined {
  if (body.trim() === '') return {};
  if (/^application\/x-www-form-urlencoded\b/i.test(contentType)) {
    const isForm = !body.trimStart().startsWith('{'); // curl -d '{...}' says form and means JSON
    if (isForm) return parseForm(body);
  }
  const reading = parseJsonObject(body);
  return 'object' in reading ? reading.object : undefined;
}

function parseForm(body: string): UnverifiedObject | undefined {
  const form = new URLSearchParams(body);
  const members: UnverifiedObject = {};
  for (const name of ['ttl', 'scope']) {
    const values = form.getAll(name);
    if (values.length > 1) return undefined;
    if (values[0] !== undefined)
      members[name] = name === 'ttl' && /^\d+$/.test(values[0]) ? Number(values[0]) : values[0];
  }
  return members;
}
