// An issuer that publishes its metadata, and somebody who would like to pass for it.

import { describe, expect, it } from 'vitest';
import { areMissing, metadataUrls, readMetadata } from '../../auth/discovery.js';

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
