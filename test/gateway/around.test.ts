// nginx around the decision: TLS, headers, limits, bodies, streams, upgrades, a dead upstream.

import { connect as connectHttp2 } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeStandIn, type StandIn } from '../../stand_in/upstream.js';
import { sendRaw } from './harness/client.js';
import { startGateway, type Gateway } from './harness/gateway.js';
import { variants } from './harness/variants.js';

const key = 'key-around-the-decision';
const headers = { 'x-api-key': key };
const securityHeaders = {
  'strict-transport-security': 'max-age=63072000',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'x-xss-protection': '0',
};

describe.each(variants)('$name: around the decision', (variant) => {
  let gateway: Gateway;
  let standIn: StandIn;

  beforeAll(async () => {
    standIn = makeStandIn({ chunkMs: 50 });
    await new Promise<void>((resolve) => standIn.server.listen(0, '127.0.0.1', resolve));
    const { port } = standIn.server.address() as AddressInfo;
    gateway = await startGateway({
      variant,
      keys: `${key}\n`,
      env: { UPSTREAM_URL: `http://127.0.0.1:${port}` },
    });
  });

  afterAll(async () => {
    await gateway?.stop();
    standIn.server.closeAllConnections();
    standIn.server.close();
  });

  it('sends its security headers on answers, refusals and errors', async () => {
    const answers = [
      await gateway.send('/v1/models', { headers }),
      await gateway.send('/v1/models'),
      await gateway.send('/health'),
      await gateway.send('/token'),
      await gateway.send('/a\\b', { headers }),
    ];
    expect(answers.map((answer) => answer.status)).toEqual([200, 401, 200, 405, 400]);
    for (const answer of answers) {
      expect(answer.headers).toMatchObject(securityHeaders);
      expect(answer.headers['x-request-id']).toMatch(/^[0-9a-f]{32}$/);
    }
  });

  it.each([
    ['keeps a harmless request id', 'req-1_2.3', true],
    ['replaces one with a space', 'a b', false],
    ['replaces one of 129 characters', 'x'.repeat(129), false],
    ['replaces one with quotes', 'a"b', false],
  ])('%s', async (_, id, isKept) => {
    const answer = await gateway.send('/v1/models', { headers: { ...headers, 'x-request-id': id } });
    const seen = standIn.seen.at(-1)?.headers.find(([name]) => name.toLowerCase() === 'x-request-id')?.[1];
    expect(answer.headers['x-request-id'] === id).toBe(isKept);
    expect(seen).toBe(answer.headers['x-request-id']);
    await expect.poll(() => gateway.accessLog()).toContain(`"request_id":"${seen}"`);
  });

  it.each([
    ['accepts', 'TLSv1.2', true],
    ['accepts', 'TLSv1.3', true],
    ['refuses', 'TLSv1.1', false],
  ] as const)('%s %s', async (_, version, isAccepted) => {
    const { port } = new URL(gateway.url);
    const connected = await new Promise<boolean>((resolve) => {
      const socket = connectTls(
        {
          host: '127.0.0.1',
          port: Number(port),
          rejectUnauthorized: false,
          minVersion: version,
          maxVersion: version,
          ciphers: 'DEFAULT:@SECLEVEL=0',
        },
        () => {
          resolve(socket.getProtocol() === version);
          socket.destroy();
        },
      );
      socket.on('error', () => resolve(false));
    });
    expect(connected).toBe(isAccepted);
  });

  it('serves HTTP/2', async () => {
    const session = connectHttp2(gateway.url, { rejectUnauthorized: false });
    const status = await new Promise((resolve, reject) => {
      session.on('error', reject);
      const stream = session.request({ ':path': '/v1/models', 'x-api-key': key });
      stream.on('response', (answer) => resolve(answer[':status']));
      stream.resume();
    });
    session.destroy();
    expect(status).toBe(200);
  });

  it('passes a body of 100 MB on and refuses a larger one with 413', async () => {
    const body = Buffer.alloc(100 * 1024 * 1024);
    const answer = await gateway.send('/debug/size', { method: 'POST', headers, body });
    expect(JSON.parse(answer.body)).toEqual({ bytes: body.length });
    const large = await sendRaw(
      gateway.url,
      `POST /x HTTP/1.1\r\nHost: localhost\r\nx-api-key: ` +
        `${key}\r\nContent-Length: ${body.length + 1}\r\nConnection: close\r\n\r\n`,
    );
    expect(large).toMatch(/^HTTP\/1.1 413 /);
    expect(large).toContain('"type":"request_too_large"');
  });

  it('answers 400 to a header of 40 KB', async () => {
    const answer = await sendRaw(
      gateway.url,
      `GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${'x'.repeat(40000)}\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1.1 400 /);
    expect(answer).toContain('"code":"invalid_request"');
  });

  it('carries a WebSocket both ways, and no other upgrade', async () => {
    const upgrade = (protocol: string) =>
      `GET /ws HTTP/1.1\r\nHost: localhost\r\nx-api-key: ` +
      `${key}\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\nSec-WebSocket-Key: ` +
      `dGVzdC10ZXN0LXRlc3QtdA==\r\nSec-WebSocket-Version: 13\r\n\r\n`;
    const frame = '\x81\x82\x01\x02\x03\x04ik';
    const { port } = new URL(gateway.url);
    const echoed = await new Promise<string>((resolve) => {
      const socket = connectTls({ host: '127.0.0.1', port: Number(port), rejectUnauthorized: false }, () =>
        socket.write(upgrade('WebSocket')),
      );
      let text = '';
      socket.on('data', (part) => {
        if (text === '') socket.write(Buffer.from(frame, 'latin1'));
        text += part.toString('latin1');
        if (text.endsWith('\x81\x02hi')) socket.destroy();
      });
      socket.on('close', () => resolve(text));
      setTimeout(() => socket.destroy(), 3000).unref();
    });
    expect(echoed).toMatch(/^HTTP\/1.1 101 /);
    expect(echoed).toContain('\x81\x02hi');
    const other = await sendRaw(gateway.url, upgrade('h2c').replace('/ws', '/v1/models'), 800);
    expect(other).toMatch(/^HTTP\/1.1 200 /);
    expect(standIn.seen.at(-1)?.headers.some(([name]) => name.toLowerCase() === 'upgrade')).toBe(false);
  });

  it('lets a client not choose what hop-by-hop removal drops', async () => {
    await gateway.send('/v1/models', {
      headers: { ...headers, connection: 'X-Auth-User, X-Auth-Method, close' },
    });
    const seen = new Map(standIn.seen.at(-1)?.headers.map(([name, value]) => [name.toLowerCase(), value]));
    expect(seen.get('x-auth-user')).toMatch(/^key-/);
    expect(seen.get('connection') ?? '').not.toContain('X-Auth');
  });

  it('keeps connections to the upstream', async () => {
    const sockets = new Set<unknown>();
    const onConnection = (socket: unknown) => sockets.add(socket);
    standIn.server.on('connection', onConnection);
    for (let i = 0; i < 10; i++) await gateway.send('/v1/models', { headers });
    standIn.server.off('connection', onConnection);
    expect(sockets.size).toBeLessThan(5);
  });

  it('answers OPTIONS without a credential with 401 by default', async () => {
    const preflight = { origin: 'https://x.example', 'access-control-request-method': 'POST' };
    expect((await gateway.send('/v1/models', { method: 'OPTIONS', headers: preflight })).status).toBe(401);
  });

  it('gives plain HTTP on its TLS port the contract form', async () => {
    const answer = await fetch(gateway.url.replace('https:', 'http:')).then((one) => one.text());
    expect(JSON.parse(answer)).toMatchObject({ type: 'error', error: { code: 'invalid_request' } });
  });
});

describe.each(variants)('$name: settings around the decision', (variant) => {
  it('limits requests per address with 429, Retry-After and the contract form', async () => {
    const gateway = await startGateway({
      variant,
      sidecar: false,
      keys: `${key}\n`,
      env: { RATE_LIMIT_API: '5r/s', RATE_LIMIT_API_BURST: '3' },
    });
    const answers = await Promise.all(Array.from({ length: 12 }, () => gateway.send('/x', { headers })));
    const limited = answers.filter((answer) => answer.status === 429);
    expect(answers.filter((answer) => answer.status === 200).length).toBeGreaterThanOrEqual(4);
    expect(limited.length).toBeGreaterThanOrEqual(5);
    expect(limited[0]?.headers['retry-after']).toBe('1');
    expect(limited[0]?.json().error).toMatchObject({ type: 'rate_limit_error', code: 'rate_limited' });
    expect(limited[0]?.headers).toMatchObject(securityHeaders);
    expect((await gateway.send('/x', { headers, from: '127.0.0.2' })).status).toBe(200);
    await gateway.stop();
  });

  it('believes X-Forwarded-For of trusted proxies alone, and counts an IPv6 /64 as one client', async () => {
    const limits = { RATE_LIMIT_API: '1r/m', RATE_LIMIT_API_BURST: '0', TRUSTED_PROXIES: '127.0.0.1' };
    const gateway = await startGateway({ variant, sidecar: false, keys: `${key}\n`, env: limits });
    const status = async (client: string, from = '127.0.0.1') =>
      (await gateway.send('/x', { headers: { ...headers, 'x-forwarded-for': client }, from })).status;
    expect(await status('192.0.2.1')).toBe(200);
    expect(await status('192.0.2.1')).toBe(429);
    expect(await status('192.0.2.2')).toBe(200);
    expect(await status('2001:db8:1:2::1')).toBe(200);
    expect(await status('2001:db8:1:2:ffff::9')).toBe(429);
    expect(await status('2001:db8:1:3::1')).toBe(200);
    expect(await status('192.0.2.77', '127.0.0.9')).toBe(200);
    expect(await status('192.0.2.78', '127.0.0.9')).toBe(429);
    expect(gateway.upstream.arrived.at(-1)?.headers['x-forwarded-for']).toBe('127.0.0.9');
    await gateway.stop();
  });

  it('answers 502 in the contract form when the upstream is down', async () => {
    const gateway = await startGateway({
      variant,
      sidecar: false,
      keys: `${key}\n`,
      env: { UPSTREAM_URL: 'http://127.0.0.1:9' },
    });
    const answer = await gateway.send('/x', { headers });
    expect(answer.status).toBe(502);
    expect(answer.json().error).toMatchObject({ type: 'api_error', code: 'upstream_unavailable' });
    expect(answer.headers).toMatchObject(securityHeaders);
    await gateway.stop();
  });

  it('lets preflights through to the upstream with CORS_PREFLIGHT=pass, and nothing else', async () => {
    const gateway = await startGateway({ variant, sidecar: false, keys: `${key}\n`, env: { CORS_PREFLIGHT: 'pass' } });
    const preflight = { origin: 'https://x.example', 'access-control-request-method': 'POST' };
    const options = (path: string, sent: { [name: string]: string }) =>
      gateway.send(path, { method: 'OPTIONS', headers: sent });
    expect((await options('/v1/models', preflight)).status).toBe(200);
    expect(gateway.upstream.arrived.at(-1)?.headers).not.toHaveProperty('x-auth-user');
    expect((await options('/v1/models', {})).status).toBe(401);
    expect((await options('/v1/models', { ...preflight, 'x-api-key': 'wrong' })).status).toBe(401);
    expect((await options('/token', preflight)).status).toBe(405);
    expect((await gateway.send('/v1/models', { headers: preflight })).status).toBe(401);
    await gateway.stop();
  });

  it('passes the credential on with FORWARD_CREDENTIAL=on', async () => {
    const gateway = await startGateway({
      variant,
      sidecar: false,
      keys: `${key}\n`,
      env: { FORWARD_CREDENTIAL: 'on' },
    });
    await gateway.send('/x', { headers });
    expect(gateway.upstream.arrived[0]?.headers['x-api-key']).toBe(key);
    await gateway.stop();
  });

  it('answers 403 with the scope in the challenge when REQUIRE_SCOPE is not held', async () => {
    const keys = `${key} scope=models\nother-key scope=models,chat\n`;
    const gateway = await startGateway({ variant, sidecar: false, keys, env: { REQUIRE_SCOPE: 'models chat' } });
    const answer = await gateway.send('/x', { headers });
    expect(answer.status).toBe(403);
    expect(answer.json().error).toMatchObject({ type: 'permission_error', code: 'insufficient_scope' });
    expect(answer.headers['www-authenticate']).toContain('error="insufficient_scope", scope="models chat"');
    expect((await gateway.send('/x', { headers: { 'x-api-key': 'other-key' } })).status).toBe(200);
    await gateway.stop();
  });
});
