// The upstream's own /token gives a secret away: no spelling of it, and no method, may reach it.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rawStatus, sendRaw } from './harness/client.js';
import { guardOf, serverGuard } from './harness/embedded.js';
import { startGateway, type Gateway } from './harness/gateway.js';
import { variants } from './harness/variants.js';

const key = 'good-key-of-the-test';

describe.each(variants)('$name: /token', (variant) => {
  let gateway: Gateway;

  beforeAll(async () => {
    const guard = variant.entry === 'access' ? guardOf(variant) : ''; // else the whole server is guarded
    const guarded = `${guard} include keygate/proxy_headers.conf;`;
    gateway = await startGateway({
      variant,
      keys: `${key}\n`,
      edit: {
        'nginx.conf': (conf) =>
          conf.replace(
            serverGuard(variant),
            `${serverGuard(variant)}
             location /cut/ { ${guarded} proxy_pass http://keygate_upstream/; }
             location /rewritten/ { ${guarded} rewrite ^/rewritten(/.*)$ $1 break; proxy_pass http://keygate_upstream; }`,
          ),
      },
    });
  });

  afterAll(() => gateway?.stop());

  const targets = [
    '/token',
    '/tok%65n',
    '/%74oken',
    '//token',
    '/./token',
    '/x/../token',
    '/token?x',
    '/token#',
    '/x#/../token',
    '/token/',
    '/token//',
    '/token/.',
    '/TOKEN',
    '/token;a=b',
    '/tok%2565n',
    '/token%3f',
    '/token%20',
    '/token%00',
    '/x/..\\..\\token',
    '/x\\..\\token',
    '/x/%2e%2e/token',
    '/x/..%2ftoken',
    '/x/..%5c..%5ctoken',
    'http://localhost/token',
    'http://elsewhere.example/tok%65n',
    '/cut/token',
    '/cut/tok%65n',
    '/cut//token',
    '/cut/x/..%2ftoken',
    '/rewritten/token',
    '/rewritten//token',
    '/rewritten/tok%2565n',
  ];

  it.each(targets)('never passes %s on, whatever the method', async (target) => {
    gateway.upstream.arrived.length = 0;
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'get', 'PROPFIND']) {
      const answer = await sendRaw(
        gateway.url,
        `${method} ${target} HTTP/1.1\r\nHost: localhost\r\nx-api-key: ${key}\r\nConnection: close\r\n\r\n`,
      );
      expect([400, 404, 405], `${method} ${target}: ${answer}`).toContain(rawStatus(answer));
    }
    const posted = await sendRaw(
      gateway.url,
      `POST ${target} HTTP/1.1\r\nHost: localhost\r\nx-api-key: ${key}\r\nContent-Length: 0\r\nConnection: ` +
        `close\r\n\r\n`,
    );
    expect([200, 400, 404], posted).toContain(rawStatus(posted));
    expect(gateway.upstream.arrived).toEqual([]);
  });

  it('looks at a strange path also when the credential is known from another strange path', async () => {
    const known = { headers: { 'x-api-key': key } };
    for (const path of ['/a%20b', '/a%2525b']) {
      for (let i = 0; i < 3; i++) expect((await gateway.send(path, known)).status).toBe(200);
    }
    gateway.upstream.arrived.length = 0;
    for (const path of ['/tok%65n%3f', '/tok%2565n', '/x/..%2ftok%2565n', '/cut/tok%2565n']) {
      expect((await gateway.send(path, known)).status, path).toBe(404);
    }
    expect(gateway.upstream.arrived).toEqual([]);
  });

  it.each(['localhost/token', 'localhost\\token', 'local host', 'a@b', 'localhost/token?', 'localhost#x'])(
    'answers 400 to the Host %s',
    async (host) => {
      gateway.upstream.arrived.length = 0;
      const answer = await sendRaw(
        gateway.url,
        `GET /v1/models HTTP/1.1\r\nHost: ${host}\r\nx-api-key: ${key}\r\nConnection: close\r\n\r\n`,
      );
      expect(rawStatus(answer), answer).toBe(400);
      expect(gateway.upstream.arrived).toEqual([]);
    },
  );

  it('says 405 with Allow to another method, with or without a credential', async () => {
    for (const headers of [{}, { 'x-api-key': key }] as { [name: string]: string }[]) {
      const answer = await gateway.send('/token', { headers });
      expect(answer.status).toBe(405);
      expect(answer.headers['allow']).toBe('POST');
      expect(answer.json().error.code).toBe('method_not_allowed');
    }
  });

  it('says 401 to POST without a credential', async () => {
    const answer = await gateway.send('/token', { method: 'POST' });
    expect(answer.status).toBe(401);
    expect(answer.json().error.code).toBe('missing_credential');
  });

  it.each(['/v1/messages/count_tokens', '/tokens', '/token/x', '/a%20b', '/cut/v1/models'])(
    'passes %s on',
    async (path) => {
      gateway.upstream.arrived.length = 0;
      const answer = await gateway.send(path, { headers: { 'x-api-key': key } });
      expect(answer.status, answer.body).toBe(200);
      expect(gateway.upstream.arrived[0]?.target).toBe(path.replace(/^\/cut/, ''));
    },
  );

  it('sends the upstream its own host and tells it the client said', async () => {
    gateway.upstream.arrived.length = 0;
    await gateway.send('/v1/models', { headers: { 'x-api-key': key, host: 'gateway.example:5000' } });
    const headers = gateway.upstream.arrived[0]?.headers;
    expect(headers?.host).toBe(new URL(gateway.upstream.url).host);
    expect(headers?.['x-forwarded-host']).toBe('gateway.example:5000');
    expect(headers?.['x-forwarded-proto']).toBe('https');
  });
});
