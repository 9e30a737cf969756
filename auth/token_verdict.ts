// The verdict on a JWT: form, issuer, key, signature, claims, revocation, in this order.

import type { SignatureAlgorithm, Jwk } from './algorithms.js';
import { readCarriedClaims } from './carried_claims.js';
import { checkClaims, readUnverifiedIssuer, type ClaimsJudging } from './claims.js';
import type { UnverifiedObject } from './json.js';
import { fitsAlgorithm } from './jwk.js';
import { checkEntry, keyBudget, type KeyTerms } from './key_record.js';
import { parseToken, type UnverifiedToken, hasSignatureForm } from './jwt.js';
import type { Platform } from './platform.js';
import type { Reason } from './refusals.js';
import type { JwtSettings, KeySource, Provider, ProvidersByIssuer, TokenRules } from './token_rules.js';
import {
  admit,
  encodeSubject,
  refuse,
  refusePrincipal,
  type Principal,
  type Refused,
  type Verdict,
} from './verdict.js';

/** The keys that verify tokens, each set bound to its issuers. */
export interface TrustedKeys {
  /** Our minting keys: they verify tokens of this issuer and no other. `keys` is undefined while no key is loaded. */
  minting: { issuer: string; keys: Jwk[] | undefined } | undefined;
  /** JWKS_PATH and JWKS_URL. */
  unnamed: KeySource;
  /** JWT_PROVIDERS: undefined where it is not set, `unavailable` while no good file was read. */
  providers: ProvidersByIssuer | 'unavailable' | undefined;
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
  /** See ClaimsJudging. */
  certificateThumbprint?: string | undefined;
}

/**
 * Decides about a JWT, whatever scopes a location requires.
 * @returns the verdict, without a promise where no signature has to be verified
 */
export function decideToken(question: TokenQuestion): Verdict | Promise<Verdict> {
  const { token, tokenParts, settings, keys, platform } = question;
  const parsed = parseToken(token, platform, tokenParts);
  if ('reason' in parsed) return refuse(parsed.reason);
  const provider = providerOf(parsed.unverifiedClaims, settings, keys);
  if (provider === 'nobody') return refuse(keys.providers === 'unavailable' ? 'keys_unavailable' : 'token_issuer');
  const fault = checkProvider(provider, parsed.algorithm, settings);
  if (fault !== undefined) return refuse(fault);
  const jwks = jwksOf(provider, keys);
  if (!keys.hasDenyList || jwks === undefined) return refuse('keys_unavailable');
  const candidates = selectJwks(parsed, jwks, { provider, keys });
  if ('reason' in candidates) return refuseForKey(candidates.reason, provider, keys);
  const shaped = withSignatureForm(candidates.jwks, parsed);
  if (shaped.length === 0) return refuse('token_signature_length');
  const { nowSeconds, certificateThumbprint } = question;
  const isOurs = provider === 'ours';
  const rules = typeof provider === 'string' ? settings : provider;
  return verifyThenJudge(parsed, shaped, { isOurs, rules, keys, nowSeconds, platform, certificateThumbprint });
}

/** Whose token it is, by its `iss`: ours, of the unnamed provider, of a named provider, or of nobody. */
type TokenProvider = Provider | 'ours' | 'unnamed' | 'nobody';

/** Chooses the only provider whose keys and rules may admit a token. */
function providerOf(
  claims: UnverifiedObject,
  { issuers }: JwtSettings,
  { minting, providers }: TrustedKeys,
): TokenProvider {
  const issuer = readUnverifiedIssuer(claims);
  if (minting !== undefined && issuer === minting.issuer) return 'ours';
  const named = typeof providers !== 'function' || issuer === undefined ? undefined : providers(issuer);
  if (named !== undefined) return named;
  // Beside named providers, the unnamed one must name its issuers.
  if (issuers === 'any') return providers === undefined ? 'unnamed' : 'nobody';
  return issuer !== undefined && issuers.indexOf(issuer) >= 0 ? 'unnamed' : 'nobody';
}

// Tokens of ours come from API keys, and no list of providers keeps those out.
function checkProvider(
  provider: Provider | 'ours' | 'unnamed',
  algorithm: SignatureAlgorithm,
  { providers }: JwtSettings,
): Reason | undefined {
  if (provider === 'ours') return undefined;
  if (provider === 'unnamed') return providers === undefined ? undefined : 'token_provider';
  const { name, algorithms } = provider;
  if (providers !== undefined && providers.indexOf(name) < 0) return 'token_provider';
  return algorithms === undefined || algorithms.indexOf(algorithm) >= 0 ? undefined : 'token_provider_algorithm';
}

/** @returns the keys of a provider, or undefined while no minting key is loaded */
function jwksOf(provider: TokenProvider, { minting, unnamed }: TrustedKeys): Jwk[] | undefined {
  if (provider === 'ours') return minting === undefined ? undefined : minting.keys;
  return typeof provider === 'string' ? unnamed.keys : provider.keys;
}

/** The keys of its provider that may have signed a token: with its kid, fit for its algorithm. */
function selectJwks(
  token: UnverifiedToken,
  jwks: Jwk[],
  { provider, keys }: { provider: TokenProvider; keys: TrustedKeys },
): { jwks: Jwk[] } | { reason: Reason } {
  const { algorithm, kid } = token;
  if (kid === undefined) {
    const fitting = fittingKeys(jwks, algorithm);
    if (fitting.length === 1) return { jwks: fitting };
    return { reason: fitting.length === 0 ? reasonOfNoKey(provider, keys) : 'token_ambiguous_key' };
  }
  if (keys.isDeniedKid(kid)) return { reason: 'token_kid_denied' };
  const named = namedKeys(jwks, kid);
  if (named.length === 0) return { reason: provider === 'ours' ? 'token_no_fitting_key' : 'token_unknown_kid' };
  const fitting = fittingKeys(named, algorithm);
  return fitting.length === 0 ? { reason: 'token_no_fitting_key' } : { jwks: fitting };
}

function reasonOfNoKey(provider: TokenProvider, { unnamed }: TrustedKeys): Reason {
  const source = provider === 'unnamed' ? unnamed : provider;
  return typeof source !== 'string' && source.lacksJwks ? 'keys_unavailable' : 'token_no_fitting_key';
}

// The caller has the keys of this provider fetched anew, and judges once more.
function refuseForKey(reason: Reason, provider: TokenProvider, { unnamed }: TrustedKeys): Verdict {
  if (reason !== 'token_unknown_kid') return refuse(reason);
  const refused: Refused =
    typeof provider === 'string' ? refuse(reason) : { ...refuse(reason), provider: provider.name };
  const source = typeof provider === 'string' ? unnamed : provider;
  return source.lacksJwks ? { ...refused, lacksJwks: true } : refused;
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
interface Judging extends ClaimsJudging {
  rules: TokenRules;
  keys: TrustedKeys;
  platform: Platform;
}

// There are several keys only where a local and a remote set have the same kid.
async function verifyThenJudge(token: UnverifiedToken, jwks: Jwk[], judging: Judging): Promise<Verdict> {
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
  const { isOurs, keys, rules } = judging;
  const claims = checkClaims(token.unverifiedClaims, rules, judging);
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
  if (!isOurs && rules.claims !== undefined) principal.claims = readCarriedClaims(token.unverifiedClaims, rules.claims);
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
