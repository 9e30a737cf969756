// What each claim of a token means to the gateway, in words (RFC 7519 section 4.1).

import { checkEntry, type KeyTerms } from '../../auth/key_record.js';
import { checkClaims } from '../../auth/claims.js';
import type { JwtSettings } from '../../auth/token_rules.js';
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

function explain(claim: string, claims: UnverifiedObject, { settings, nowSeconds, keys }: Explaining): string {
  const value = claims[claim];
  if (claim === 'exp' || claim === 'nbf' || claim === 'iat') return explainDate(claim, value, nowSeconds);
  if (claim === 'iss') {
    if (keys.minting !== undefined && value === keys.minting.issuer) return 'ours: verified by the minting keys alone';
    if (settings.issuers === 'any') return 'any issuer is accepted';
    return settings.issuers.includes(String(value)) ? 'accepted' : `not one of ${settings.issuers.join(', ')}`;
  }
  if (claim === 'aud' || claim === 'sub' || claim === 'scope' || claim === 'scp') {
    const alone = checkClaims(
      { exp: nowSeconds + 60, [claim]: value },
      claim === 'aud' ? settings : { ...settings, audiences: 'any' },
      { nowSeconds, isOurs: false, platform: nodePlatform },
    );
    return 'reason' in alone ? `refused: ${alone.reason}` : 'accepted';
  }
  if (claim === 'cnf') return 'refused: tokens bound to a client key are not supported';
  if (claim === 'jti') return keys.isDeniedJti(String(value)) ? 'on the deny list' : 'not on the deny list';
  if (claim === 'key')
    return isLive(keys.findEntry(String(value)), nowSeconds)
      ? 'from an API key that still stands'
      : 'from no API key that stands';
  return 'not looked at';
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
