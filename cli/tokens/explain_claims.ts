// What each claim of a token means to the gateway, in words (RFC 7519 section 4.1).

import { checkEntry, type KeyTerms } from '../../auth/key_record.js';
import { checkClaims } from '../../auth/claims.js';
import type { JwtSettings, Provider } from '../../auth/token_rules.js';
import type { UnverifiedObject } from '../../auth/json.js';
import { nodePlatform } from '../../node/crypto.js';
import type { TrustedKeys } from '../../auth/token_verdict.js';

export interface ExplainedClaim {
  claim: string;
  value: string;
  verdict: string;
}

export interface Explaining {
  settings: JwtSettings;
  nowSeconds: number;
  keys: TrustedKeys;
  /** The named provider whose issuer the token names. */
  provider: Provider | undefined;
  /** Of the client's certificate. */
  certificateThumbprint?: string | undefined;
}

/** Explains every claim that the gateway checks, and names the others. */
export function explainClaims(claims: UnverifiedObject, about: Explaining): ExplainedClaim[] {
  const names = [...new Set(['exp', 'iss', 'aud', 'sub', ...Object.keys(claims)])];
  return names.map((claim) => ({
    claim,
    value: claims[claim] === undefined ? '(missing)' : JSON.stringify(claims[claim]),
    verdict: explain(claim, claims, about),
  }));
}

function explain(claim: string, claims: UnverifiedObject, about: Explaining): string {
  const { nowSeconds, keys } = about;
  const value = claims[claim];
  if (claim === 'exp' || claim === 'nbf' || claim === 'iat') return explainDate(claim, value, nowSeconds);
  if (claim === 'iss') return explainIssuer(value, about);
  if (['aud', 'sub', 'scope', 'scp', 'cnf'].includes(claim)) return explainAlone(claim, value, about);
  if (claim === 'jti') return keys.isDeniedJti(String(value)) ? 'on the deny list' : 'not on the deny list';
  if (claim === 'key')
    return isLive(keys.findEntry(String(value)), nowSeconds)
      ? 'from an API key that still stands'
      : 'from no API key that stands';
  return about.provider !== undefined && isNamed(claim, about.provider) ? 'see the provider below' : 'not looked at';
}

function isNamed(claim: string, { require = [], subject = [], scopes = [], claims = [] }: Provider): boolean {
  const paths = [...require.map((test) => test.claim), ...subject, ...scopes, ...claims];
  return paths.some(({ name }) => name === claim || name.startsWith(`${claim}.`));
}

function explainIssuer(value: unknown, { settings, keys, provider }: Explaining): string {
  if (keys.minting !== undefined && value === keys.minting.issuer) return 'ours: verified by the minting keys alone';
  if (provider !== undefined) return `of the provider ${provider.name}`;
  const { issuers } = settings;
  if (issuers === 'any') return keys.providers === undefined ? 'any issuer is accepted' : 'of no provider';
  if (issuers.includes(String(value))) return 'accepted';
  const others = keys.providers === undefined ? '' : ', and of no provider';
  return `not one of ${issuers.join(', ')}${others}`;
}

// What the provider requires of other claims is left out: explain_providers.ts says it.
function explainAlone(claim: string, value: unknown, about: Explaining): string {
  const { settings, provider, nowSeconds, certificateThumbprint } = about;
  const { leewaySeconds } = settings;
  const audiences = claim === 'aud' ? (provider ?? settings).audiences : 'any';
  const alone = checkClaims(
    { exp: nowSeconds + 60, [claim]: value },
    { audiences, leewaySeconds },
    { nowSeconds, isOurs: false, platform: nodePlatform, certificateThumbprint },
  );
  return 'reason' in alone ? `refused: ${alone.reason}` : 'accepted';
}

function isLive(entry: KeyTerms | undefined, nowSeconds: number): boolean {
  return entry !== undefined && checkEntry(entry, nowSeconds) === undefined;
}

function explainDate(claim: string, value: unknown, nowSeconds: number): string {
  if (typeof value !== 'number') return claim === 'exp' && value === undefined ? 'required' : 'not a number';
  const away = Math.round(value - nowSeconds);
  const distance = away >= 0 ? `in ${away} s` : `${-away} s ago`;
  const when = value <= 8.64e12 ? new Date(value * 1000).toISOString() : 'beyond any date';
  return `${when}, ${distance}`;
}
