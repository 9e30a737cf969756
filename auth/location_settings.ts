// The settings of one location, as nginx joins them into the question (question.ts).

import type { JwtSettings } from './claims.js';

export interface LocationSettings {
  jwt: JwtSettings;
  /** Scopes that a credential must all hold. */
  requiredScopes: string[];
  /** The same as it was written, for the challenge. */
  requiredScope: string;
}

const fields = 5;

/**
 * Parses the joined settings of a location.
 * @param joined JWT_AUDIENCE, JWT_ISSUER, JWT_LEEWAY, REQUIRE_SCOPE, JWKS_URL, each followed by a line feed
 * @returns the settings, or the fault: the name of the setting and what was expected
 */
export function parseLocationSettings(joined: string): LocationSettings | { fault: string } {
  const parts = joined.split('\n');
  if (parts.length !== fields + 1) return { fault: 'a keygate setting holds a line feed' };
  const [audience, issuer, leeway, scope, jwksUrl] = parts as [
    string,
    string,
    string,
    string,
    string, // prettier-ignore
  ];
  if (!/^\d{1,4}$/.test(leeway)) return { fault: '$keygate_jwt_leeway: expected 0 to 9999 seconds' };
  if (jwksUrl !== '' && (audience === '' || issuer === '')) {
    return {
      fault:
        '$keygate_jwt_issuer and $keygate_jwt_audience: expected values or the word any, as $keygate_jwks_url is set',
    };
  }
  return {
    jwt: { audiences: parseList(audience), issuers: parseList(issuer), leewaySeconds: Number(leeway) },
    requiredScopes: scope.split(' ').filter((one) => one !== ''),
    requiredScope: scope,
  };
}

/** Splits a comma-separated list; `any`, and an unset one where that is allowed, mean any value. */
export function parseList(text: string): string[] | 'any' {
  if (text === '') return 'any';
  const values = text.split(',').map((value) => value.replace(/^ +| +$/g, ''));
  const named = values.filter((value) => value !== '');
  return named.length === 1 && named[0] === 'any' ? 'any' : named;
}
