// A page that opens a WebSocket with openai's OpenAIRealtimeWebSocket. A browser lets no page set a header there, so
// the key is among the subprotocols.

import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { connect } from 'node:tls';
import { join } from 'node:path';
import { OpenAI as OpenAI6 } from 'openai';
import { OpenAIRealtimeWebSocket as RealtimeOfOpenAI6 } from 'openai/beta/realtime/websocket';
import { OpenAI as OpenAI7 } from 'openai-7';
import { OpenAIRealtimeWebSocket as RealtimeOfOpenAI7 } from 'openai-7/realtime/websocket';
import { Agent, WebSocket } from 'undici';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { startEmbedded } from './harness/embedded.js';
import { startGateway, type Gateway } from './harness/gateway.js';
import { startRealtime, type RealtimeServer } from './harness/realtime_server.js';
import { jwksOf, makeSigner, type Signer } from './harness/tokens.js';
import { variants } from './harness/variants.js';

const key = 'key-of-a-page';
const keys = `${key}\nanother-key\n`;
const env = { CREDENTIAL_HEADERS: 'sec-websocket-protocol', FORWARD_CREDENTIAL: 'on' };

const dispatcher = new Agent({ connect: { rejectUnauthorized: false } });
class TrustingWebSocket extends WebSocket {
  constructor(url: string, protocols: string[]) {
    super(url, { protocols, dispatcher });
  }
}

/** Offers subprotocols as a browser does, and answers with the whole answer to the handshake. */
function offer(gateway: Gateway, protocols: string, headers: string[] = []): Promise<string> {
  const lines = [
    'GET /v1/realtime HTTP/1.1',
    'Host: localhost',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGVzdC10ZXN0LXRlc3QtdA==',
    ...(protocols === '' ? [] : [`Sec-WebSocket-Protocol: ${protocols}`]),
    ...headers,
  ];
  const { port } = new URL(gateway.url);
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect({ host: '127.0.0.1', port: Number(port), rejectUnauthorized: false }, () =>
      socket.write(`${lines.join('\r\n')}\r\n\r\n`),
    );
    socket.on('data', (part: Buffer) => {
      answer += part.toString('latin1');
      if (answer.includes('\r\n\r\n')) socket.destroy();
    });
    socket.on('close', () => resolve(answer));
    socket.on('error', reject);
  });
}

describe.each(variants)('$name: the subprotocols of a WebSocket', (variant) => {
  let upstream: RealtimeServer;
  let gateway: Gateway;
  let signer: Signer;

  beforeAll(async () => {
    upstream = await startRealtime();
    signer = await makeSigner('ES256', 'k'.repeat(256));
    const jwksPath = join(mkdtempSync(join(tmpdir(), 'keygate-jwks-')), 'jwks.json');
    writeFileSync(jwksPath, jwksOf(signer));
    const all = { ...env, UPSTREAM_URL: upstream.url, JWKS_PATH: jwksPath, JWT_ISSUER: 'https://issuer.example' };
    gateway = await startGateway({
      variant,
      keys,
      env: { ...all, RATE_LIMIT_KEY: '6000/m', RATE_LIMIT_KEY_BURST: '99999' },
    });
  });
  afterAll(async () => {
    await gateway?.stop();
    upstream.server.closeAllConnections();
    upstream.server.close();
  });
  beforeEach(() => {
    upstream.arrived.length = 0;
    vi.stubGlobal('WebSocket', TrustingWebSocket);
  });
  afterEach(() => vi.unstubAllGlobals());

  const offeredUpstream = () => upstream.arrived.map(({ headers }) => headers['sec-websocket-protocol']);

  it.each([
    ['openai 6', () => openWith6(gateway), 'realtime, openai-beta.realtime-v1'],
    ['openai 7', () => openWith7(gateway), 'realtime'],
  ])('let OpenAIRealtimeWebSocket of %s in, again and again, without its key', async (_, open, offered) => {
    for (let i = 0; i < 2; i++) {
      const socket = open();
      const chosen = await new Promise((resolve, reject) => {
        socket.on('session.created', () => resolve(socket.socket.protocol));
        socket.on('error', reject);
      });
      socket.close();
      expect(chosen, gateway.errorLog()).toBe('realtime');
    }
    expect(offeredUpstream()).toEqual([offered, offered]);
    for (const { rawHeaders } of upstream.arrived) expect(rawHeaders.join('\n')).not.toContain(key);
  });

  it.each([
    [`openai-insecure-api-key.${key}`, undefined],
    [`OpenAI-Insecure-API-Key.${key}, a`, 'a'],
    [`a,openai-insecure-api-key.${key} ,\tb, "quoted", c\\d`, 'a, b'],
    [`,, openai-insecure-api-key.${key}`, undefined],
  ])('reach the upstream without the key: %s', async (offered, kept) => {
    expect(await offer(gateway, offered)).toMatch(/^HTTP\/1.1 101 /);
    expect(offeredUpstream()).toEqual([kept]);
  });

  it('stay as they are without a key among them', async () => {
    const odd = 'realtime ,\t"b"';
    expect(await offer(gateway, odd, [`x-api-key: ${key}`])).toMatch(/^HTTP\/1.1 101 /);
    expect(await offer(gateway, '', [`x-api-key: ${key}`])).toMatch(/^HTTP\/1.1 101 /);
    expect(offeredUpstream()).toEqual([odd, undefined]);
  });

  it.each([
    ['a wrong key', 'openai-insecure-api-key.wrong', [], 401],
    ['an empty key', 'realtime, openai-insecure-api-key.', [], 401],
    ['no key', 'realtime', [], 401],
    ['another key in x-api-key', `openai-insecure-api-key.${key}`, ['x-api-key: another-key'], 400],
    ['the key twice', `openai-insecure-api-key.${key}, openai-insecure-api-key.${key}`, [], 400],
    [
      'the key in two lines',
      `openai-insecure-api-key.${key}\r\nSec-WebSocket-Protocol: openai-insecure-api-key.x`,
      [],
      400,
    ],
    ['the key beside 257 characters', `openai-insecure-api-key.${key}, ${'p'.repeat(257)}`, [], 400],
    ['the key beside 7,000 characters', `openai-insecure-api-key.${key}, ${'p'.repeat(7000)}`, [], 400],
  ])('are refused with %s', async (_, offered, headers, status) => {
    expect(await offer(gateway, offered, headers)).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(upstream.arrived).toEqual([]);
  });

  it('fit the longest verdict', async () => {
    const token = await signer.sign({ sub: 'u'.repeat(256), scope: 's'.repeat(400) });
    const kept = 'p'.repeat(256);
    const ids = ['Session', 'Agent', 'Parent-Agent'].map((name) => `X-Claude-Code-${name}-Id: ${'b'.repeat(70)}`);
    const headers = [
      ...ids,
      `X-Request-Id: ${'r'.repeat(128)}`,
      `traceparent: 00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
    ];
    const offered = `openai-insecure-api-key.${token}, ${kept}`;
    expect(await offer(gateway, offered, headers)).toMatch(/^HTTP\/1.1 101 /);
    expect(offeredUpstream()).toEqual([kept]);
  });

  it('leave no key in a log', () => {
    const logs = gateway.errorLog() + gateway.accessLog() + gateway.sidecar?.log();
    expect(logs).not.toContain(key);
  });
});

/** What both versions of the SDK have. */
interface Opened {
  on(event: string, listener: (...values: never[]) => void): unknown;
  close(): void;
  socket: { protocol: string };
}

const apiKey = { apiKey: key, maxRetries: 0 };
const openWith6 = ({ url }: Gateway): Opened =>
  new RealtimeOfOpenAI6({ model: 'gpt-realtime' }, new OpenAI6({ ...apiKey, baseURL: `${url}/v1` })) as Opened;
const openWith7 = ({ url }: Gateway): Opened =>
  new RealtimeOfOpenAI7({ model: 'gpt-realtime' }, new OpenAI7({ ...apiKey, baseURL: `${url}/v1` })) as Opened;

describe.each(variants)('$name: the subprotocols of a WebSocket in locations of an operator', (variant) => {
  it('bring a key only where a location says so, and pass as they are elsewhere', async () => {
    const pass = 'include keygate/proxy_headers.conf; proxy_pass http://app;';
    const gateway = await startEmbedded({
      variant,
      keys,
      env: { CREDENTIAL_HEADERS: 'sec-websocket-protocol' },
      edit: { 'keygate/settings.conf': (text) => text.replace(/(\$keygate_credential_headers) "[^"]*"/, '$1 ""') },
      server: `location /page/ { GUARD set $keygate_credential_headers sec-websocket-protocol; ${pass} }
        location /usual/ { GUARD ${pass} }
        location /open/ { include keygate/open.conf; ${pass} }`,
    });
    const protocols = `realtime, openai-insecure-api-key.${key}`;
    const headers = { 'sec-websocket-protocol': protocols };
    expect((await gateway.send('/page/', { headers })).status, gateway.errorLog()).toBe(200);
    expect((await gateway.send('/usual/', { headers })).status).toBe(401);
    const usual = { 'x-api-key': key, 'sec-websocket-protocol': 'realtime, b' };
    expect((await gateway.send('/usual/', { headers: usual })).status).toBe(200);
    expect((await gateway.send('/open/', { headers: usual })).status).toBe(200);
    const arrived = gateway.upstream.arrived.map((one) => one.headers['sec-websocket-protocol']);
    expect(arrived).toEqual(['realtime', 'realtime, b', 'realtime, b']);
    await gateway.stop();
  });
});
