// Whether the claims of a verified token satisfy its provider's rules (RFC 7519 section 4.1, RFC 9068, RFC 7800).

import { readClaim, type ClaimPath } from './claim_path.js';
import { passesTests } from './claim_tests.js';
import { isJsonObject, ownMember, type UnverifiedObject } from './json.js';
import type { Platform } from './platform.js';
import type { Reason } from './refusals.js';
import type { TokenRules } from './token_rules.js';
import { encodeLongSubject, encodeSubject, isScopeToken, parseScope } from './verdict.js';

/** Claims that were checked. */
export interface Claims {
  /** The subject, encoded for a header as `issuer` is; empty where the unnamed provider's token has no `sub`. */
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
  platform: Pick<Platform, 'sha256'>;
  /** SHA-256 of the client's certificate in base64url, where the client has proved to hold the key of one. */
  certificateThumbprint?: string | undefined;
}

/**
 * Checks the claims. The choice of the key has already decided whether `iss` is trusted.
 * @param claims from parseJsonObject, and so without a prototype
 */
export function checkClaims(
  claims: UnverifiedObject,
  rules: TokenRules,
  judging: ClaimsJudging,
): Claims | { reason: Reason } {
  const { aud, cnf, sub, iss, key, jti } = claims;
  const dates = checkDates(claims, rules.leewaySeconds, judging);
  if ('reason' in dates) return dates;
  const audience = checkAudience(aud, rules.audiences);
  if (audience !== undefined) return { reason: audience };
  const unbound = cnf === undefined ? undefined : checkConfirmation(cnf, judging.certificateThumbprint);
  if (unbound !== undefined) return { reason: unbound };
  if (rules.require !== undefined && !passesTests(claims, rules.require)) return { reason: 'token_require' };
  if (!isOptionalString(iss) || !isOptionalString(sub) || !isOptionalString(jti)) return { reason: 'token_claim_type' };
  const subject = rules.subject === undefined ? encodeClaim(sub) : readSubject(claims, rules.subject, judging.platform);
  if (subject === undefined) return { reason: 'token_subject' };
  if (typeof subject !== 'string') return subject;
  const issuer = encodeIssuer(iss);
  if (issuer === undefined) return { reason: 'token_claim_type' };
  return {
    subject,
    issuer,
    scopes: readScopes(claims, rules.scopes),
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

// RFC 8705 section 3.1. Any other confirmation (RFC 7800 section 3.1) would have to be checked too, and can't be.
function checkConfirmation(cnf: unknown, certificateThumbprint: string | undefined): Reason | undefined {
  const name = 'x5t#S256';
  if (!isJsonObject(cnf) || Object.keys(cnf).length !== 1) return 'token_confirmation';
  const thumbprint = ownMember(cnf, name);
  if (typeof thumbprint !== 'string') return 'token_confirmation';
  return thumbprint.length === 43 && thumbprint === certificateThumbprint ? undefined : 'token_certificate';
}

/** @returns the first subject that is not empty, encoded; undefined where it can't be encoded */
function readSubject(
  claims: UnverifiedObject,
  paths: ClaimPath[],
  platform: Pick<Platform, 'sha256'>,
): string | undefined | { reason: Reason } {
  for (let i = 0; i < paths.length; i++) {
    const value = readClaim(claims, paths[i] as ClaimPath);
    if (!isOptionalString(value)) return { reason: 'token_claim_type' };
    if (value) return encodeLongSubject(value, platform);
  }
  return { reason: 'token_no_subject' };
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

function readScopes(claims: UnverifiedObject, paths: ClaimPath[] | undefined): string[] {
  if (paths === undefined) {
    const { scope, scp } = claims;
    return scp === undefined ? scopesOf(scope, false) : scopesOf(scope, false).concat(scopesOf(scp, false));
  }
  let scopes: string[] = [];
  for (let i = 0; i < paths.length; i++)
    scopes = scopes.concat(scopesOf(readClaim(claims, paths[i] as ClaimPath), true));
  return scopes;
}

// A claim of scopes is a string (RFC 9068 section 2.2.3) or an array of strings. A claim of any other type grants no
// scope, and so refuses only where a scope is required. A role or a group may have a space in its name, and must not
// become two scopes; the unnamed provider has always taken the elements of an array for several scopes each.
function scopesOf(claim: unknown, areWhole: boolean): string[] {
  if (typeof claim === 'string') return parseScope(claim) || [];
  if (!Array.isArray(claim) || !claim.every((value) => typeof value === 'string')) return [];
  return areWhole ? (claim as string[]).filter(isScopeToken) : parseScope(claim.join(' ')) || [];
}
