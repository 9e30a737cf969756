// The verdict on a JWT: form, issuer, key, signature, claims, revocation, in this order.

import type { SignatureAlgorithm, Jwk } from './algorithms.js';
import { checkClaims, readUnverifiedIssuer, type JwtSettings } from './claims.js';
import type { UnverifiedObject } from './json.js';
import { fitsAlgorithm } from './jwk.js';
import { checkEntry, keyBudget, type KeyTerms } from './key_record.js';
import { parseToken, type UnverifiedToken, hasSignatureForm } from './jwt.js';
import type { Platform } from './platform.js';
import type { Reason } from './refusals.js';
import { admit, encodeSubject, refuse, refusePrincipal, type Principal, type Verdict } from './verdict.js';

/** The keys that verify tokens, each set bound to its issuers. */
export interface TrustedKeys {
  /** Our minting keys: they verify tokens of this issuer and no other. `keys` is undefined while no key is loaded. */
  minting: { issuer: string; keys: Jwk[] | undefined } | undefined;
  /** JWKS_PATH. */
  local: Jwk[];
  /** JWKS_URL; undefined where it is not set. */
  remote: Jwk[] | undefined;
  /** Whether JWKS_PATH or JWKS_URL is set and gave no key, so that a missing key is our failure. */
  lacksJwks: boolean;
  /** False while the deny list could not be read. */
  hasDenyList: boolean;
  isDeniedKid: (kid: string) => boolean;
  isDeniedJti: (jti: string) => boolean;
  /** Whether the entries of the key file are loaded and not too old. */
  hasEntries: () => boolean;
  /** @returns the entry of the key file from which a token of ours was minted, or undefined when the entry is gone */
  findEntry: (fingerprint: string) => KeyTerms | undefined;
}

export interface TokenQuestion {
  token: string;
  /** The parts between the dots, where the caller has split the token already. */
  tokenParts?: string[] | undefined;
  nowSeconds: number;
  settings: JwtSettings;
  keys: TrustedKeys;
  platform: Platform;
}

/**
 * Decides about a JWT, whatever scopes a location requires.
 * @returns the verdict, without a promise where no signature has to be verified
 */
export function decideToken(question: TokenQuestion): Verdict | Promise<Verdict> {
  const { token, tokenParts, settings, keys, platform } = question;
  const parsed = parseToken(token, platform, tokenParts);
  if ('reason' in parsed) return refuse(parsed.reason);
  const source = sourceOf(parsed.unverifiedClaims, settings, keys);
  if (source === undefined) return refuse('token_issuer');
  const isOurs = source === 'ours';
  const jwks = jwksOf(source, keys);
  if (!keys.hasDenyList || jwks === undefined) return refuse('keys_unavailable');
  const candidates = selectJwks(parsed, jwks, { isOurs, keys });
  if ('reason' in candidates) return refuse(candidates.reason);
  const shaped = withSignatureForm(candidates.jwks, parsed);
  if (shaped.length === 0) return refuse('token_signature_length');
  const { nowSeconds } = question;
  return verifyThenJudge(parsed, shaped, { isOurs, settings, keys, nowSeconds, platform });
}

/**
 * Which source of keys must verify a token, by its `iss`.
 * @returns undefined for an issuer that the location does not accept
 */
function sourceOf(
  claims: UnverifiedObject,
  { issuers }: JwtSettings,
  { minting }: TrustedKeys,
): 'ours' | 'other' | undefined {
  const issuer = readUnverifiedIssuer(claims);
  if (minting !== undefined && issuer === minting.issuer) return 'ours';
  const isTaken = issuers === 'any' || (issuer !== undefined && issuers.indexOf(issuer) >= 0);
  return isTaken ? 'other' : undefined;
}

// Loops, here and below: QuickJS takes longer to make a function for `filter` than to test a few keys.
function withSignatureForm(jwks: Jwk[], { algorithm, signature }: UnverifiedToken): Jwk[] {
  const shaped: Jwk[] = [];
  for (let i = 0; i < jwks.length; i++) {
    const jwk = jwks[i] as Jwk;
    if (hasSignatureForm(algorithm, jwk, signature)) shaped.push(jwk);
  }
  return shaped;
}

/** @returns the keys of a source, or undefined while no minting key is loaded */
function jwksOf(source: 'ours' | 'other', { minting, local, remote }: TrustedKeys): Jwk[] | undefined {
  if (source === 'ours') return minting === undefined ? undefined : minting.keys;
  return remote === undefined ? local : local.concat(remote);
}

/** The keys of its source that may have signed a token: with its kid, fit for its algorithm. */
function selectJwks(
  token: UnverifiedToken,
  source: Jwk[],
  { isOurs, keys }: { isOurs: boolean; keys: TrustedKeys },
): { jwks: Jwk[] } | { reason: Reason } {
  const { algorithm, kid } = token;
  const noKey = !isOurs && keys.lacksJwks ? 'keys_unavailable' : 'token_no_fitting_key';
  if (kid === undefined) {
    const fitting = fittingKeys(source, algorithm);
    if (fitting.length === 1) return { jwks: fitting };
    return { reason: fitting.length === 0 ? noKey : 'token_ambiguous_key' };
  }
  if (keys.isDeniedKid(kid)) return { reason: 'token_kid_denied' };
  const named = namedKeys(source, kid);
  if (named.length === 0) return { reason: isOurs ? 'token_no_fitting_key' : 'token_unknown_kid' };
  const fitting = fittingKeys(named, algorithm);
  return fitting.length === 0 ? { reason: 'token_no_fitting_key' } : { jwks: fitting };
}

function namedKeys(jwks: Jwk[], kid: string): Jwk[] {
  const named: Jwk[] = [];
  for (let i = 0; i < jwks.length; i++) {
    const jwk = jwks[i] as Jwk;
    if (jwk.kid === kid) named.push(jwk);
  }
  return named;
}

function fittingKeys(jwks: Jwk[], algorithm: SignatureAlgorithm): Jwk[] {
  const fitting: Jwk[] = [];
  for (let i = 0; i < jwks.length; i++) {
    const jwk = jwks[i] as Jwk;
    if (fitsAlgorithm(jwk, algorithm)) fitting.push(jwk);
  }
  return fitting;
}

/** What the claims of a verified token are judged by. */
interface Judging {
  isOurs: boolean;
  settings: JwtSettings;
  keys: TrustedKeys;
  nowSeconds: number;
}

// There are several keys only where a local and a remote set have the same kid.
async function verifyThenJudge(
  token: UnverifiedToken,
  jwks: Jwk[],
  judging: Judging & { platform: Platform },
): Promise<Verdict> {
  const { algorithm, signedText, signature } = token;
  const { platform } = judging;
  for (let i = 0; i < jwks.length; i++) {
    const jwk = jwks[i] as Jwk;
    const result = await platform.verifySignature({ algorithm, jwk, signedText, signature });
    if (result === 'valid') return judgeClaims(token, jwk, judging);
    if (result === 'unavailable') return refuse('verifier_unavailable');
  }
  return refuse('token_signature');
}

function judgeClaims(token: UnverifiedToken, verifiedBy: Jwk, judging: Judging): Verdict {
  const { isOurs, keys, settings, nowSeconds } = judging;
  const claims = checkClaims(token.unverifiedClaims, settings, { nowSeconds, isOurs });
  if ('reason' in claims) return refuse(claims.reason);
  // A token that names no kid may be verified by a key that is denied.
  if (token.kid === undefined && verifiedBy.kid !== undefined && keys.isDeniedKid(verifiedBy.kid))
    return refuse('token_kid_denied');
  const { subject, issuer, scopes, expiresSeconds } = claims;
  const principal: Principal = {
    method: 'jwt',
    subject,
    issuer,
    scopes,
    expiresSeconds,
    keyId: isOurs ? '' : encodeSubject(verifiedBy.kid || '') || '',
    limit: null,
    budget: `token ${issuer} ${subject}`,
  };
  const fault = isOurs ? bindToEntry(principal, claims.key || '', judging) : undefined;
  const { jti } = token.unverifiedClaims;
  if (typeof jti === 'string' && keys.isDeniedJti(jti)) return refusePrincipal('token_revoked', principal);
  return fault === undefined ? admit(principal) : refusePrincipal(fault, principal);
}

// A token that we minted holds no longer than the entry that it came from. Leeway is for the clocks of other issuers.
// Returns the reason to refuse the token.
function bindToEntry(principal: Principal, fingerprint: string, { keys, nowSeconds }: Judging): Reason | undefined {
  if (!keys.hasEntries()) return 'keys_unavailable';
  const entry = keys.findEntry(fingerprint);
  if (entry === undefined) return 'token_revoked';
  const { expiresSeconds, keyId, limit } = entry;
  if (expiresSeconds !== null) principal.expiresSeconds = Math.min(Number(principal.expiresSeconds), expiresSeconds);
  principal.keyId = keyId;
  principal.limit = limit;
  principal.budget = keyBudget(principal.subject, limit);
  return checkEntry(entry, nowSeconds) === undefined ? undefined : 'token_revoked';
}
