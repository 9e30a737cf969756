// The settings of one location, as nginx joins them (`$keygate_settings` in nginx/snippets/asking.conf).

import { headerNamesForm, parseReadHeaders } from './credential_headers.js';
import { makeLimit, maxBurst, parseBurst, parseRate, rateForm, type RateLimit } from './rate_limit.js';
import { parseResource, resourceForm } from './resource_metadata.js';
import type { TargetSettings } from './target.js';
import type { JwtSettings } from './token_rules.js';

export interface LocationSettings extends TargetSettings {
  jwt: JwtSettings;
  /** Further headers in which a credential may stand, in lower case. */
  credentialHeaders: string[];
  /** A credential must hold all of these scopes. */
  requiredScopes: string[];
  /** The required scopes as the operator wrote them, for the challenge. */
  requiredScope: string;
  /** The identifier of the protected resource (RFC 9728); empty for none. */
  resource: string;
  /** Where OAuth clients find its metadata: a URL for the challenge; empty for none. */
  metadataUrl: string;
  /** Whether a client's certificate counts. */
  takesCertificates: boolean;
  /** The limit of each principal that has none of its own; null for none. */
  keyLimit: RateLimit | null;
}

/**
 * The settings that go with each question, by their nginx variables without `keygate_`, in the order in which nginx
 * joins them (asking.conf is filled from this list).
 */
export const askedSettings = [
  'credential_headers', // the first: furtherHeaders reads it from the joined text
  'jwt_audience',
  'jwt_issuer',
  'jwt_providers',
  'jwt_leeway',
  'require_scope',
  'hide_token_route',
  'rate_limit_key',
  'rate_limit_key_burst',
  'oauth_resource',
  'client_certificates', // the last: takesCertificates reads it from the joined text
] as const;

type Texts<Names extends readonly string[]> = { -readonly [Place in keyof Names]: string };
type AskedValues = Texts<typeof askedSettings>;

const noMetadata = { url: '' };

const maxScopeCharacters = 512; // a refusal names the scopes, and nginx has a single small buffer for a verdict

/** What the settings of a location have to fit. */
export interface Surroundings {
  /** Whether JWKS_URL is set. */
  hasJwksUrl: boolean;
  /** The further headers that nginx sends with a question and keeps from the upstream, separated by commas. */
  sentHeaders: string;
}

/**
 * Reads the names of the further headers from the joined settings of a location, before these are parsed.
 * @returns the text of the setting, with the headers of providers behind it; empty for nearly every location
 */
export function furtherHeaders(joined: string): string {
  return joined.charCodeAt(0) === 9 ? '' : joined.slice(0, joined.indexOf('\t'));
}

/** Whether a location takes certificates, by its joined settings, before these are parsed. */
export function takesCertificates(joined: string): boolean {
  return joined.charCodeAt(joined.length - 1) === endOfOn;
}

const endOfOn = 110; // n: `off` ends otherwise, and any other text is a fault

/**
 * Parses the joined settings of a location.
 * @param joined the values of `askedSettings`, with tabs between them
 * @returns the settings, or the fault: the name of the setting and what was expected
 */
export function parseLocationSettings(joined: string, around: Surroundings): LocationSettings | { fault: string } {
  const parts = joined.split('\t');
  if (parts.length !== askedSettings.length) return { fault: 'a keygate setting holds a tab' };
  const [headers, audience, issuer, providers, leeway, scope, hidden, rate, burst, resource, certificates] =
    parts as AskedValues;
  if (!/^\d{1,4}$/.test(leeway)) return { fault: '$keygate_jwt_leeway: expected 0 to 9999 seconds' };
  if (hidden !== 'on' && hidden !== 'off') return { fault: '$keygate_hide_token_route: expected on or off' };
  if (certificates !== 'on' && certificates !== 'off')
    return { fault: '$keygate_client_certificates: expected on or off' };
  const credentialHeaders = parseCredentialHeaders(headers, around.sentHeaders);
  if ('fault' in credentialHeaders) return credentialHeaders;
  const keyLimit = parseKeyLimit(rate, burst);
  if (keyLimit !== null && 'fault' in keyLimit) return keyLimit;
  const metadata = resource === '' ? noMetadata : parseResource(resource);
  if (metadata === undefined) return { fault: `$keygate_oauth_resource: expected ${resourceForm}` };
  if (scope.length > maxScopeCharacters)
    return { fault: `$keygate_require_scope: expected at most ${maxScopeCharacters} characters` };
  if (around.hasJwksUrl && (audience === '' || issuer === '')) {
    return {
      fault:
        '$keygate_jwt_issuer and $keygate_jwt_audience: expected values or the word any, as $keygate_jwks_url is set',
    };
  }
  return {
    jwt: {
      audiences: parseList(audience),
      issuers: parseList(issuer),
      providers: providers === '' ? undefined : splitList(providers),
      leewaySeconds: Number(leeway),
    },
    credentialHeaders,
    requiredScopes: scope.split(' ').filter((one) => one !== ''),
    requiredScope: scope,
    hidesTokenRoute: hidden === 'on',
    resource,
    metadataUrl: metadata.url,
    takesCertificates: certificates === 'on',
    keyLimit,
  };
}

function parseCredentialHeaders(text: string, sent: string): string[] | { fault: string } {
  const names = parseReadHeaders(text);
  if (names === undefined) return { fault: `$keygate_credential_headers: expected ${headerNamesForm}` };
  const known = sent.split(',');
  const isKnown = names.every((name) => known.indexOf(name) >= 0);
  return isKnown ? names : { fault: `$keygate_credential_headers: expected names of \`install --credential-headers\`` };
}

function parseKeyLimit(rate: string, burst: string): RateLimit | { fault: string } | null {
  if (rate === 'off') return null;
  const intervalMs = parseRate(rate);
  if (intervalMs === undefined) return { fault: `$keygate_rate_limit_key: expected ${rateForm}, or off` };
  const parsedBurst = parseBurst(burst);
  if (parsedBurst === undefined)
    return { fault: `$keygate_rate_limit_key_burst: expected a whole number from 0 to ${maxBurst}` };
  const limit = makeLimit(intervalMs, parsedBurst);
  return limit || { fault: '$keygate_rate_limit_key_burst: expected what the rate gives in a year' };
}

/** Splits a comma-separated list; `any`, and an unset list where that is allowed, mean any value. */
export function parseList(text: string): string[] | 'any' {
  if (text === '') return 'any';
  const named = splitList(text);
  return named.length === 1 && named[0] === 'any' ? 'any' : named;
}

function splitList(text: string): string[] {
  const values = text.split(',').map((value) => value.replace(/^ +| +$/g, ''));
  return values.filter((value) => value !== '');
}

/** The settings that decide the issuer of our own tokens; undefined or empty where a setting is unset. */
export interface MintIssuerSettings {
  mintIssuer: string | undefined;
  /** Whether JWKS_PATH or JWKS_URL is set. */
  hasJwks: boolean;
  jwtIssuer: string | undefined;
}

/**
 * Chooses the `iss` of the tokens that POST /token mints: MINT_ISSUER, else the first JWT_ISSUER where no JWKS is set,
 * else `keygate`.
 */
export function chooseMintIssuer({ mintIssuer, hasJwks, jwtIssuer }: MintIssuerSettings): string {
  if (mintIssuer) return mintIssuer;
  const issuers = hasJwks ? 'any' : parseList(jwtIssuer || '');
  return issuers === 'any' ? 'keygate' : issuers[0] || 'keygate';
}
