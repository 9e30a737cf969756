// A client whose SDK has a header of its own for the key, such as Gemini's, at a location that reads it and at one that
// does not.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rawStatus, sendRaw } from './harness/client.js';
import { startEmbedded } from './harness/embedded.js';
import { startGateway, type Gateway } from './harness/gateway.js';
import { variants } from './harness/variants.js';

const key = 'key-of-a-gemini-client';
const other = 'another-key';
const keys = `${key}\n${other}\n`;
const goog = { 'x-goog-api-key': key };

describe.each(variants)('$name: CREDENTIAL_HEADERS', (variant) => {
  let gateway: Gateway;

  beforeAll(async () => {
    const env = { CREDENTIAL_HEADERS: 'X-Goog-Api-Key, cf-access-jwt-assertion' };
    gateway = await startGateway({ variant, keys, env });
  });

  afterAll(() => gateway?.stop());

  it('admits the key in the header, again and again, and keeps it from the upstream', async () => {
    for (let i = 0; i < 3; i++) {
      gateway.upstream.arrived.length = 0;
      const answer = await gateway.send('/v1beta/models', { headers: { ...goog, x_goog_api_key: key } });
      expect(answer.status, gateway.errorLog()).toBe(200);
      const { headers } = gateway.upstream.arrived[0] ?? {};
      expect(headers).toMatchObject({ 'x-auth-method': 'api_key' });
      expect(JSON.stringify(headers)).not.toContain(key);
    }
  });

  it('judges a token in the header as a token, and a wrong key as a wrong key', async () => {
    const token = await gateway.send('/', { headers: { 'cf-access-jwt-assertion': 'a.b.c' } });
    expect([token.status, token.json().error.code]).toEqual([401, 'invalid_token']);
    const wrong = await gateway.send('/', { headers: { 'x-goog-api-key': `${key}x` } });
    expect([wrong.status, wrong.json().error.code]).toEqual([401, 'invalid_api_key']);
    const empty = await gateway.send('/', { headers: { 'x-goog-api-key': '' } });
    expect([empty.status, empty.json().error.code]).toEqual([401, 'missing_credential']);
  });

  it('takes equal credentials in several headers, and answers 400 to different ones', async () => {
    const bearer = { authorization: `Bearer ${key}` };
    expect((await gateway.send('/', { headers: { ...bearer, ...goog, 'x-api-key': key } })).status).toBe(200);
    expect((await gateway.send('/', { headers: bearer })).status).toBe(200); // remembered, when the next arrives
    for (const headers of [
      { ...bearer, 'x-goog-api-key': other },
      { ...goog, 'x-api-key': other },
      { ...goog, 'cf-access-jwt-assertion': 'a.b.c' },
    ]) {
      const answer = await gateway.send('/', { headers });
      expect([answer.status, answer.json().error.code], JSON.stringify(headers)).toEqual([400, 'invalid_request']);
    }
    await expect.poll(() => gateway.accessLog()).toContain('"reason":"two_credentials"');
  });

  it('answers 400 to a doubled header', async () => {
    for (const second of [key, '', other]) {
      const answer = await sendRaw(
        gateway.url,
        `GET / HTTP/1.1\r\nHost: localhost\r\nX-Goog-Api-Key: ${key}\r\nX-Goog-Api-Key: ${second}\r\nConnection: close\r\n\r\n`,
      );
      expect(rawStatus(answer), answer).toBe(400);
    }
  });

  it('does not read a key in the query, nor for POST /token', async () => {
    expect((await gateway.send(`/v1beta/models?key=${key}`)).status).toBe(401);
    expect((await gateway.send('/token', { method: 'POST', headers: goog })).status).toBe(401);
  });

  it('has no credential in any log', () => {
    expect(gateway.errorLog() + gateway.sidecar?.log()).not.toContain(key);
    expect(gateway.accessLog().replaceAll(`?key=${key}`, '')).not.toContain(key);
  });
});

describe.each(variants)('$name: without CREDENTIAL_HEADERS', (variant) => {
  it('reads no such header and passes it on, and forwards it where it is one with FORWARD_CREDENTIAL', async () => {
    const plain = await startGateway({ variant, keys });
    expect((await plain.send('/', { headers: goog })).status).toBe(401);
    expect((await plain.send('/', { headers: { 'x-api-key': key, 'x-goog-api-key': 'of-the-upstream' } })).status).toBe(
      200,
    );
    expect(plain.upstream.arrived[0]?.headers['x-goog-api-key']).toBe('of-the-upstream');
    await plain.stop();
    const env = { CREDENTIAL_HEADERS: 'x-goog-api-key', FORWARD_CREDENTIAL: 'on' };
    const forwarding = await startGateway({ variant, keys, env });
    expect((await forwarding.send('/', { headers: goog })).status).toBe(200);
    expect(forwarding.upstream.arrived[0]?.headers['x-goog-api-key']).toBe(key);
    await forwarding.stop();
  });
});

describe.each(variants)('$name: in locations of an operator', (variant) => {
  it('reads the header where the location says so, and keeps it back everywhere', async () => {
    const pass = 'include keygate/proxy_headers.conf; proxy_pass http://app;';
    const gateway = await startEmbedded({
      variant,
      keys,
      env: { CREDENTIAL_HEADERS: 'x-goog-api-key' },
      edit: {
        'keygate/settings.conf': (text) => text.replace(/(\$keygate_credential_headers) "[^"]*"/, '$1 ""'),
      },
      server: `location /gemini/ { GUARD set $keygate_credential_headers X-Goog-Api-Key; ${pass} }
        location /usual/ { GUARD ${pass} }
        location /unsent/ { GUARD set $keygate_credential_headers x-other-key; ${pass} }
        location /no-name/ { GUARD set $keygate_credential_headers cookie; ${pass} }`,
    });
    expect((await gateway.send('/gemini/', { headers: goog })).status, gateway.errorLog()).toBe(200);
    expect((await gateway.send('/usual/', { headers: goog })).status).toBe(401);
    expect((await gateway.send('/usual/', { headers: { ...goog, 'x-api-key': other } })).status).toBe(200);
    for (const { headers } of gateway.upstream.arrived) expect(headers).not.toHaveProperty('x-goog-api-key');
    for (const path of ['/unsent/', '/no-name/']) {
      const headers = { 'x-other-key': key, cookie: key, 'x-api-key': key };
      expect((await gateway.send(path, { headers })).json().error.code).toBe('location_not_configured');
    }
    expect(gateway.errorLog()).toContain(
      '$keygate_credential_headers: expected names of `install --credential-headers`',
    );
    await gateway.stop();
  });
});
