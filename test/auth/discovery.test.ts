// An issuer that publishes its metadata, and somebody who would like to pass for it.

import { describe, expect, it } from 'vitest';
import type { ProviderEntry } from '../../auth/provider_members.js';
import { areMissing, mayShowCredential, metadataUrls, readMetadata } from '../../auth/discovery.js';

describe('metadataUrls', () => {
  it.each([
    [
      'https://idp.example',
      'https://idp.example/.well-known/openid-configuration',
      'https://idp.example/.well-known/oauth-authorization-server',
    ],
    [
      'https://idp.example/',
      'https://idp.example/.well-known/openid-configuration',
      'https://idp.example/.well-known/oauth-authorization-server',
    ],
    [
      'https://idp.example:8443/realms/one/',
      'https://idp.example:8443/realms/one/.well-known/openid-configuration',
      'https://idp.example:8443/.well-known/oauth-authorization-server/realms/one',
    ],
  ])('adds to %s what OpenID Connect and RFC 8414 say', (issuer, ...urls) => {
    expect(metadataUrls(issuer)).toEqual(urls);
  });
});

it.each([
  ['expected status 200, got 404', true],
  ['expected status 200, got 410', true],
  ['expected status 200, got 302', false],
  ['expected status 200, got 500', false],
  ['metadata: expected the issuer https://got 404/', false],
  ['no answer in time', false],
])('takes metadata with the fault %j for missing: %s', (fault, isMissing) => {
  expect(areMissing(fault)).toBe(isMissing);
});

describe('readMetadata', () => {
  const issuer = 'https://idp.example';
  const read = (changed: object) =>
    readMetadata(JSON.stringify({ issuer, jwks_uri: 'https://keys.example/jwks', ...changed }), issuer);

  it('reads where the keys are', () => {
    expect(read({ more: { a: 1 } })).toEqual({ jwksUrl: 'https://keys.example/jwks' });
  });

  it.each(['https://idp.example/', 'https://IDP.example', 'https://other.example', '', undefined, null, [issuer], 1])(
    'faults the issuer %j',
    (other) => {
      expect(read({ issuer: other })).toEqual({ fault: 'metadata: expected the issuer https://idp.example' });
    },
  );

  it.each(['http://keys.example', 'https://a@keys.example', 'https://keys.example/#a', 'keys', '', undefined, {}, 1])(
    'faults the URL %j',
    (jwks_uri) => {
      expect(read({ jwks_uri })).toMatchObject({ fault: expect.stringContaining('expected a jwks_uri') as string });
    },
  );

  it.each(['', '[]', '"x"', '{"issuer":', `{"issuer":"${issuer}","a":${'['.repeat(5000)}`])('faults %j', (text) => {
    expect(readMetadata(text.slice(0, 4000), issuer)).toMatchObject({
      fault: expect.stringMatching(/^metadata: /) as string,
    });
  });
});

describe('mayShowCredential', () => {
  const may = (url: string, changed: object = {}) =>
    mayShowCredential(
      { jwks: 'discover', issuers: ['https://idp.example/a', 'https://b.example'], ...changed } as ProviderEntry,
      url,
    );

  it.each([
    ['https://idp.example/a/.well-known/openid-configuration', true],
    ['https://idp.example', true],
    ['https://IDP.example:443/keys', true],
    ['https://idp.example:8443/keys', false],
    ['https://idp.example.evil.example/', false],
    ['https://evil.example/https://idp.example/', false],
    ['https://idp.example.', false],
    ['https://b.example/keys', false],
    ['https://idp.example:99999/keys', false],
    ['https://1.2.3.999/keys', false],
    ['https://[:::]/keys', false],
  ])("for metadata's %s: %s", (url, expected) => {
    expect(may(url)).toBe(expected);
    expect(may(url, { ca: 'ca.crt' })).toBe(true);
    expect(may(url, { jwks: { url } })).toBe(true);
  });

  it('takes a port that stands in one of both for another origin', () => {
    expect(may('https://idp.example/', { issuers: ['https://idp.example:8443'] })).toBe(false);
    expect(may('https://idp.example/', { issuers: ['https://idp.example:443/'] })).toBe(true);
  });
});
