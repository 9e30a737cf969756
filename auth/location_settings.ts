// The settings of one location, as nginx joins them (`$keygate_settings` in nginx/snippets/asking.conf).

import type { JwtSettings } from './claims.js';
import { parseList } from './issuers.js';
import type { TargetSettings } from './target.js';

export interface LocationSettings extends TargetSettings {
  jwt: JwtSettings;
  /** Scopes that a credential must all hold. */
  requiredScopes: string[];
  /** The same as it was written, for the challenge. */
  requiredScope: string;
}

const fields = 5;
const maxScopeCharacters = 512; // a refusal names them, in the one small buffer that nginx has for a verdict

/**
 * Parses the joined settings of a location.
 * @param joined JWT_AUDIENCE, JWT_ISSUER, JWT_LEEWAY, REQUIRE_SCOPE and HIDE_TOKEN_ROUTE, with tabs between them
 * @param hasJwksUrl whether JWKS_URL is set
 * @returns the settings, or the fault: the name of the setting and what was expected
 */
export function parseLocationSettings(joined: string, hasJwksUrl: boolean): LocationSettings | { fault: string } {
  const parts = joined.split('\t');
  if (parts.length !== fields) return { fault: 'a keygate setting holds a tab' };
  const [audience, issuer, leeway, scope, hidden] = parts as [string, string, string, string, string];
  if (!/^\d{1,4}$/.test(leeway)) return { fault: '$keygate_jwt_leeway: expected 0 to 9999 seconds' };
  if (hidden !== 'on' && hidden !== 'off') return { fault: '$keygate_hide_token_route: expected on or off' };
  if (scope.length > maxScopeCharacters)
    return { fault: `$keygate_require_scope: expected at most ${maxScopeCharacters} characters` };
  if (hasJwksUrl && (audience === '' || issuer === '')) {
    return {
      fault:
        '$keygate_jwt_issuer and $keygate_jwt_audience: expected values or the word any, as $keygate_jwks_url is set',
    };
  }
  return {
    jwt: { audiences: parseList(audience), issuers: parseList(issuer), leewaySeconds: Number(leeway) },
    requiredScopes: scope.split(' ').filter((one) => one !== ''),
    requiredScope: scope,
    hidesTokenRoute: hidden === 'on',
  };
}
