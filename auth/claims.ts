// The claims of a token whose signature holds (RFC 7519 section 4.1, RFC 9068, RFC 7800).

import { ownMember, type UnverifiedObject } from './json.js';
import type { Reason } from './refusals.js';
import { parseScope } from './scopes.js';
import { isSubject } from './subject.js';

/** What a location asks of tokens. */
export interface JwtSettings {
  issuers: string[] | 'any';
  audiences: string[] | 'any';
  /** By how many seconds clocks may differ. */
  leewaySeconds: number;
}

/** Claims that were checked. */
export interface Claims {
  subject: string;
  issuer: string;
  scopes: string[];
  /** From when the token no longer holds here, in Unix seconds, leeway included. */
  expiresSeconds: number;
  /** The `key` of a token of ours. */
  key: string | undefined;
}

const maxSeconds = 9007199254740992; // 2^53

/** Reads `iss` before anything is verified: it only chooses among keys. */
export function readUnverifiedIssuer(claims: UnverifiedObject): string | undefined {
  const issuer = ownMember(claims, 'iss');
  return typeof issuer === 'string' ? issuer : undefined;
}

/** Checks every claim but `iss`, whose trust the choice of the key has settled. */
export function checkClaims(
  claims: UnverifiedObject,
  settings: JwtSettings,
  nowSeconds: number,
): Claims | { reason: Reason } {
  const dates = checkDates(claims, settings.leewaySeconds, nowSeconds);
  if ('reason' in dates) return dates;
  const audience = checkAudience(ownMember(claims, 'aud'), settings.audiences);
  if (audience !== undefined) return { reason: audience };
  if (ownMember(claims, 'cnf') !== undefined) return { reason: 'token_confirmation' };
  const subject = readSubject(claims);
  const issuer = ownMember(claims, 'iss');
  const key = ownMember(claims, 'key');
  const jti = ownMember(claims, 'jti');
  if (!isOptionalString(issuer) || !isOptionalString(key) || !isOptionalString(jti))
    return { reason: 'token_claim_type' };
  if (subject === undefined) return { reason: 'token_subject' };
  if (issuer !== undefined && !isSubject(issuer)) return { reason: 'token_claim_type' };
  const scopes = readScopes(claims);
  if (scopes === undefined) return { reason: 'token_claim_type' };
  return { subject, issuer: issuer || '', scopes, expiresSeconds: dates.expiresSeconds, key };
}

function checkDates(
  claims: UnverifiedObject,
  leewaySeconds: number,
  nowSeconds: number,
): { expiresSeconds: number } | { reason: Reason } {
  const exp = ownMember(claims, 'exp');
  const nbf = ownMember(claims, 'nbf');
  const iat = ownMember(claims, 'iat');
  if (exp === undefined) return { reason: 'token_no_expiry' };
  if (!isDate(exp) || (nbf !== undefined && !isDate(nbf)) || (iat !== undefined && !isDate(iat))) {
    return { reason: 'token_claim_type' };
  }
  if (nowSeconds >= exp + leewaySeconds) return { reason: 'token_expired' };
  if (nbf !== undefined && nowSeconds < nbf - leewaySeconds) return { reason: 'token_not_yet_valid' };
  if (iat !== undefined && nowSeconds < iat - leewaySeconds) return { reason: 'token_issued_in_future' };
  return { expiresSeconds: exp + leewaySeconds };
}

// RFC 7519 section 4.1.2: a string, and not every token has one.
function readSubject(claims: UnverifiedObject): string | undefined {
  const subject = ownMember(claims, 'sub');
  if (subject === undefined) return '';
  return typeof subject === 'string' && isSubject(subject) ? subject : undefined;
}

function isDate(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= maxSeconds;
}

function isOptionalString(value: unknown): value is string | undefined {
  return value === undefined || typeof value === 'string';
}

function checkAudience(aud: unknown, audiences: string[] | 'any'): Reason | undefined {
  const values: unknown[] = Array.isArray(aud) ? aud : aud === undefined ? [] : [aud];
  if (!values.every((value) => typeof value === 'string')) return 'token_claim_type';
  if (audiences === 'any') return undefined;
  return values.some((value) => audiences.indexOf(value as string) >= 0) ? undefined : 'token_audience';
}

// `scope` is a string (RFC 9068 section 2.2.3); some issuers write `scp`, a string or an array of strings.
function readScopes(claims: UnverifiedObject): string[] | undefined {
  const scope = ownMember(claims, 'scope');
  const scp = ownMember(claims, 'scp');
  const fromScope = scope === undefined ? [] : readScopeText(scope);
  const fromScp = scp === undefined ? [] : Array.isArray(scp) ? readScopeList(scp) : readScopeText(scp);
  return fromScope === undefined || fromScp === undefined ? undefined : fromScope.concat(fromScp);
}

function readScopeText(value: unknown): string[] | undefined {
  return typeof value === 'string' ? parseScope(value) : undefined;
}

function readScopeList(values: unknown[]): string[] | undefined {
  return values.every((value) => typeof value === 'string') ? parseScope(values.join(' ')) : undefined;
}
