// A client at a real nginx, with its credential in every header and form.

import { hashSync } from '@node-rs/bcrypt';
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rawStatus, sendRaw } from './harness/client.js';
import { startGateway, type Gateway } from './harness/gateway.js';
import { variants } from './harness/variants.js';

const sha256 = (key: string) => createHash('sha256').update(key).digest('base64url');
const hashed = 'hashed-key-of-carol';

describe.each(variants)('$name: API keys', (variant) => {
  let gateway: Gateway;

  beforeAll(async () => {
    gateway = await startGateway({
      variant,
      env: { API_KEY: 'environment-key-0', API_KEYS: 'environment-key-1,environment-key-2' },
      keys: [
        '# keys of the test',
        'plaintext-key',
        `bob:$sha256$${sha256('key-of-bob')} scope=models,chat`,
        `carol:${hashSync(hashed, 4)}`,
        `dora:$sha256$${sha256('expired-key')} expires=2020-01-01`,
      ].join('\n'),
    });
  });

  afterAll(() => gateway?.stop());

  it.each([
    ['an environment key', 'environment-key-0'],
    ['the second of API_KEYS', 'environment-key-2'],
    ['a plaintext line', 'plaintext-key'],
    ['a SHA-256 line', 'key-of-bob'],
    ['a bcrypt line', hashed],
  ])('admits %s in every header', async (_, key) => {
    for (const headers of [
      { authorization: `Bearer ${key}` },
      { authorization: `bearer ${key}` },
      { authorization: key },
      { 'x-api-key': key },
      { 'api-key': key },
    ]) {
      const answer = await gateway.send('/v1/models', {
        headers: headers as unknown as { [name: string]: string },
      });
      expect(answer.status, JSON.stringify(headers) + gateway.errorLog()).toBe(200);
      expect(answer.body).toBe('upstream');
    }
  });

  it('tells the upstream who the client is and keeps the credential', async () => {
    gateway.upstream.arrived.length = 0;
    await gateway.send('/v1/models?a=b', {
      headers: {
        'x-api-key': 'key-of-bob',
        'x-auth-user': 'root',
        'x-auth-method': 'jwt',
        'x-auth-issuer': 'evil',
      },
    });
    const arrived = gateway.upstream.arrived[0];
    expect(arrived?.target).toBe('/v1/models?a=b');
    expect(arrived?.headers).toMatchObject({ 'x-auth-user': 'bob', 'x-auth-method': 'api_key' });
    for (const name of ['authorization', 'x-api-key', 'api-key', 'x-auth-issuer']) {
      expect(arrived?.headers).not.toHaveProperty(name);
    }
  });

  it('refuses an unknown key with 401 in the contract form', async () => {
    const answer = await gateway.send('/v1/models', { headers: { 'x-api-key': 'wrong-key' } });
    expect(answer.status).toBe(401);
    expect(answer.json().error).toMatchObject({ type: 'authentication_error', code: 'invalid_api_key' });
    expect(answer.headers['www-authenticate']).toMatch(
      /^Bearer realm="keygate", error="invalid_token", error_description="/,
    );
    expect(answer.headers['x-request-id']).toMatch(/^[0-9a-f]{32}$/);
  });

  it('refuses an expired key', async () => {
    const answer = await gateway.send('/v1/models', { headers: { 'x-api-key': 'expired-key' } });
    expect(answer.status).toBe(401);
    await expect.poll(() => gateway.accessLog()).toContain('"reason":"expired_key"');
  });

  it('challenges without error= when nothing was sent', async () => {
    for (const headers of [{}, { authorization: '' }, { authorization: 'Bearer' }, { 'x-api-key': ' ' }]) {
      const answer = await gateway.send('/v1/models', { headers: headers as { [name: string]: string } });
      expect(answer.status).toBe(401);
      expect(answer.json().error.code).toBe('missing_credential');
      expect(answer.headers['www-authenticate']).toBe('Bearer realm="keygate"');
    }
  });

  it('answers 400 to two different credentials and to doubled headers', async () => {
    const two = await gateway.send('/', {
      headers: { authorization: 'Bearer key-of-bob', 'x-api-key': 'plaintext-key' },
    });
    expect(two.status).toBe(400);
    const pairs = [
      ['key-of-bob', 'key-of-bob'],
      ['key-of-bob', ''],
      ['', 'key-of-bob'],
      ['', ''],
    ];
    for (const header of ['x-api-key', 'api-key', 'authorization']) {
      for (const [first, second] of pairs) {
        for (const line of ['GET /', 'POST /token']) {
          const answer = await sendRaw(
            gateway.url,
            `${line} HTTP/1.1\r\nHost: localhost\r\n${header}: ${first}\r\n${header}: ` +
              `${second}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
          );
          expect(rawStatus(answer), `${line} ${header} ${first} ${second}: ${answer}`).toBe(400);
          expect(answer).toContain('"code":"invalid_request"');
        }
      }
    }
  });

  it('admits equal credentials in two headers', async () => {
    const headers = { authorization: 'Bearer key-of-bob', 'x-api-key': 'key-of-bob' };
    expect((await gateway.send('/', { headers })).status).toBe(200);
  });

  it('keeps every credential out of every log', () => {
    const logs = gateway.errorLog() + gateway.accessLog() + gateway.sidecar?.log();
    for (const key of ['environment-key-0', 'plaintext-key', 'key-of-bob', hashed, 'wrong-key', 'expired-key']) {
      expect(logs).not.toContain(key);
    }
  });
});
