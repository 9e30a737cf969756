// An nginx operator who sets a location up, rightly and wrongly.

import { describe, expect, it } from 'vitest';
import { readSnippet } from '../nginx/filled_snippets.js';
import {
  askedSettings,
  furtherHeaders,
  takesCertificates,
  parseList,
  parseLocationSettings,
} from '../../auth/location_settings.js';

const joined =
  /\$keygate_settings \{[^}]*default "([^"]*)";/.exec(readSnippet('asking.conf'))?.[1]?.replaceAll('\\t', '\t') ?? '';

/** Joins settings as nginx does: what is not given has the default of settings.conf. */
const joinSettings = (given: { [name: string]: string }) =>
  joined.replace(/\$keygate_(\w+)/g, (_, name: string) => given[name] ?? defaults[name] ?? `$keygate_${name}`);

const defaults: { [name: string]: string } = {
  credential_headers: '',
  jwt_audience: '',
  jwt_issuer: '',
  jwt_providers: '',
  jwt_leeway: '30',
  require_scope: '',
  hide_token_route: 'off',
  rate_limit_key: 'off',
  rate_limit_key_burst: '0',
  oauth_resource: '',
  client_certificates: 'off',
};

const parse = (given: { [name: string]: string }, hasJwksUrl = false) =>
  parseLocationSettings(joinSettings(given), { hasJwksUrl, sentHeaders: 'x-goog-api-key,sec-websocket-protocol' });

describe('parseLocationSettings', () => {
  it('reads every field, where nginx puts it', () => {
    const given = {
      credential_headers: 'X-Goog-Api-Key, sec-websocket-protocol',
      jwt_audience: 'a,b',
      jwt_issuer: 'https://i',
      jwt_providers: ' corp, pool',
      jwt_leeway: '5',
      require_scope: 'models  chat',
      hide_token_route: 'on',
      rate_limit_key: '60/m',
      rate_limit_key_burst: '20',
      oauth_resource: 'https://api.example/mcp',
      client_certificates: 'on',
    };
    expect(parse(given)).toEqual({
      jwt: { audiences: ['a', 'b'], issuers: ['https://i'], providers: ['corp', 'pool'], leewaySeconds: 5 },
      credentialHeaders: ['x-goog-api-key', 'sec-websocket-protocol'],
      requiredScopes: ['models', 'chat'],
      requiredScope: 'models  chat',
      hidesTokenRoute: true,
      resource: 'https://api.example/mcp',
      metadataUrl: 'https://api.example/.well-known/oauth-protected-resource/mcp',
      takesCertificates: true,
      keyLimit: { intervalMs: 1000, burst: 20 },
    });
    expect(parse({})).toMatchObject({
      requiredScopes: [],
      hidesTokenRoute: false,
      takesCertificates: false,
      keyLimit: null,
    });
  });

  it.each(['', 'abc', '-1', '1.5', '99999'])('faults the leeway %j', (jwt_leeway) => {
    expect(parse({ jwt_leeway })).toEqual({ fault: '$keygate_jwt_leeway: expected 0 to 9999 seconds' });
  });

  it.each(['cookie', 'x-goog-api-key,cookie', 'authorization', 'x_key', 'x-other', 'x-auth-claim-email'])(
    'faults the headers %j',
    (credential_headers) => {
      expect(parse({ credential_headers })).toHaveProperty('fault');
    },
  );

  it('takes a header once, and none where nothing stands between commas', () => {
    const headersOf = (credential_headers: string) => parse({ credential_headers });
    expect(headersOf(',x-goog-api-key, ,X-Goog-Api-Key')).toMatchObject({ credentialHeaders: ['x-goog-api-key'] });
    expect(headersOf(',')).toMatchObject({ credentialHeaders: [] });
  });

  it('has the certificates last, from where they are read before the other settings', () => {
    expect(askedSettings.at(-1)).toBe('client_certificates');
    const takes = (client_certificates: string) => takesCertificates(joinSettings({ client_certificates }));
    expect([takes('on'), takes('off'), takes(''), takesCertificates('')]).toEqual([true, false, false, false]);
  });

  it('has the headers first, from where they are read before the other settings', () => {
    expect(askedSettings[0]).toBe('credential_headers');
    expect(furtherHeaders(joinSettings({}))).toBe('');
    expect(furtherHeaders(joinSettings({ credential_headers: 'a,b' }))).toBe('a,b');
    expect(furtherHeaders('')).toBe('');
  });

  it.each(['', 'ON', 'yes', '1'])('faults %j for on or off', (value) => {
    for (const name of ['hide_token_route', 'client_certificates'])
      expect(parse({ [name]: value })).toEqual({ fault: `$keygate_${name}: expected on or off` });
  });

  it.each(['', '0/m', '60', 'OFF', '1/y', '60/m '])('faults the rate %j', (rate_limit_key) => {
    expect(parse({ rate_limit_key })).toEqual({
      fault: '$keygate_rate_limit_key: expected a rate such as 60/m, per s, m, h or d, or off',
    });
  });

  it.each(['', '-1', '1.5', '1000001'])('faults the burst %j', (rate_limit_key_burst) => {
    expect(parse({ rate_limit_key: '1/s', rate_limit_key_burst })).toHaveProperty('fault');
  });

  it('faults a burst that takes more than a year', () => {
    expect(parse({ rate_limit_key: '1/d', rate_limit_key_burst: '365' })).not.toHaveProperty('fault');
    expect(parse({ rate_limit_key: '1/d', rate_limit_key_burst: '366' })).toHaveProperty('fault');
  });

  it.each(Object.keys(defaults))('faults a tab in $keygate_%s', (name) => {
    expect(parse({ [name]: `${defaults[name]}\t` })).toEqual({ fault: 'a keygate setting holds a tab' });
  });

  it('faults scopes that a challenge has no room for', () => {
    expect(parse({ require_scope: 's'.repeat(512) })).toMatchObject({ requiredScopes: ['s'.repeat(512)] });
    expect(parse({ require_scope: 's'.repeat(513) })).toHaveProperty('fault');
  });

  it('faults a location that nginx joins no settings for', () => {
    expect(parseLocationSettings('', { hasJwksUrl: false, sentHeaders: '' })).toHaveProperty('fault');
  });

  it('faults a remote JWKS without issuer and audience, and takes the word any', () => {
    expect(parse({ jwt_audience: 'a' }, true)).toHaveProperty('fault');
    expect(parse({ jwt_issuer: 'i' }, true)).toHaveProperty('fault');
    expect(parse({ jwt_audience: 'any', jwt_issuer: 'any' }, true)).toMatchObject({
      jwt: { audiences: 'any', issuers: 'any' },
    });
    expect(parse({ jwt_audience: 'a' })).toMatchObject({ jwt: { audiences: ['a'], issuers: 'any' } });
  });
});

describe('parseList', () => {
  it('takes only an unset text and the word any for any value', () => {
    expect(parseList('')).toBe('any');
    expect(parseList('any')).toBe('any');
    expect(parseList(',')).toEqual([]);
    expect(parseList('any,b')).toEqual(['any', 'b']);
    expect(parseList(' a , b ')).toEqual(['a', 'b']);
  });
});
