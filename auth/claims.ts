// Whether the claims of a verified token satisfy a location (RFC 7519 section 4.1, RFC 9068, RFC 7800).

import { ownMember, type UnverifiedObject } from './json.js';
import type { Reason } from './refusals.js';
import { parseScope, encodeSubject } from './verdict.js';

/** What a location asks of tokens. */
export interface JwtSettings {
  issuers: string[] | 'any';
  audiences: string[] | 'any';
  /** By how many seconds the issuer's clock and ours may differ. */
  leewaySeconds: number;
}

/** Claims that were checked. */
export interface Claims {
  /** The token's `sub`, encoded for a header as `issuer` is; empty where the token has no `sub`. */
  subject: string;
  issuer: string;
  scopes: string[];
  /** When the token expires at this gateway: `exp` and the leeway, in Unix seconds. */
  expiresSeconds: number;
  /** The claim `key`: a fingerprint in tokens that we minted; other issuers may use the name for anything. */
  key: string | undefined;
}

const maxSeconds = 9007199254740992; // 2^53

/** Reads `iss` before anything is verified: it only chooses among keys. */
export function readUnverifiedIssuer(claims: UnverifiedObject): string | undefined {
  const issuer = ownMember(claims, 'iss');
  return typeof issuer === 'string' ? issuer : undefined;
}

export interface ClaimsJudging {
  nowSeconds: number;
  /** Whether we signed the token. Then `iat` is not compared with the time: our clock may have been set back. */
  isOurs: boolean;
}

/**
 * Checks the claims. The choice of the key has already decided whether `iss` is trusted.
 * @param claims from parseJsonObject, and so without a prototype
 */
export function checkClaims(
  claims: UnverifiedObject,
  settings: JwtSettings,
  judging: ClaimsJudging,
): Claims | { reason: Reason } {
  const { aud, cnf, sub, iss, key, jti, scope, scp } = claims;
  const dates = checkDates(claims, settings.leewaySeconds, judging);
  if ('reason' in dates) return dates;
  const audience = checkAudience(aud, settings.audiences);
  if (audience !== undefined) return { reason: audience };
  if (cnf !== undefined) return { reason: 'token_confirmation' };
  if (!isOptionalString(iss) || !isOptionalString(sub) || !isOptionalString(jti)) return { reason: 'token_claim_type' };
  const subject = encodeClaim(sub);
  if (subject === undefined) return { reason: 'token_subject' };
  const issuer = encodeIssuer(iss);
  if (issuer === undefined) return { reason: 'token_claim_type' };
  const scopes = scp === undefined ? readScopes(scope) : readScopes(scope).concat(readScopes(scp));
  return {
    subject,
    issuer,
    scopes,
    expiresSeconds: dates.expiresSeconds,
    key: typeof key === 'string' ? key : undefined,
  };
}

function checkDates(
  { exp, nbf, iat }: UnverifiedObject,
  leewaySeconds: number,
  { nowSeconds, isOurs }: ClaimsJudging,
): { expiresSeconds: number } | { reason: Reason } {
  if (exp === undefined) return { reason: 'token_no_expiry' };
  if (!isDate(exp) || (nbf !== undefined && !isDate(nbf)) || (iat !== undefined && !isDate(iat))) {
    return { reason: 'token_claim_type' };
  }
  if (nowSeconds >= exp + leewaySeconds) return { reason: 'token_expired' };
  if (nbf !== undefined && nowSeconds < nbf - leewaySeconds) return { reason: 'token_not_yet_valid' };
  if (iat !== undefined && !isOurs && nowSeconds < iat - leewaySeconds) return { reason: 'token_issued_in_future' };
  return { expiresSeconds: exp + leewaySeconds };
}

// RFC 7519 section 4.1: `iss` and `sub` are strings, and a token may lack both.
function encodeClaim(claim: unknown): string | undefined {
  if (claim === undefined) return '';
  return typeof claim === 'string' ? encodeSubject(claim) : undefined;
}

// Most tokens have the same issuer as the token before.
const latest: { issuer: unknown; encoded: string | undefined } = { issuer: undefined, encoded: '' };

function encodeIssuer(issuer: string | undefined): string | undefined {
  if (issuer !== latest.issuer) {
    latest.issuer = issuer;
    latest.encoded = encodeClaim(issuer);
  }
  return latest.encoded;
}

function isDate(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= maxSeconds;
}

function isOptionalString(value: unknown): value is string | undefined {
  return value === undefined || typeof value === 'string';
}

function checkAudience(aud: unknown, audiences: string[] | 'any'): Reason | undefined {
  if (typeof aud === 'string') {
    return audiences === 'any' || audiences.indexOf(aud) >= 0 ? undefined : 'token_audience';
  }
  const values: unknown[] = Array.isArray(aud) ? aud : aud === undefined ? [] : [aud];
  if (!values.every((value) => typeof value === 'string')) return 'token_claim_type';
  if (audiences === 'any') return undefined;
  return values.some((value) => audiences.indexOf(value as string) >= 0) ? undefined : 'token_audience';
}

// `scope` is a string (RFC 9068 section 2.2.3). Some issuers write an array of strings, or call the claim `scp`. A
// claim of any other type grants no scope, and so refuses only where a scope is required.
function readScopes(scope: unknown): string[] {
  if (typeof scope === 'string') return parseScope(scope) || [];
  if (!Array.isArray(scope) || !scope.every((value) => typeof value === 'string')) return [];
  return parseScope(scope.join(' ')) || [];
}
