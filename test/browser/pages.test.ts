// A page in Chromium that calls a gateway of another origin: what its scripts can read, and how they bring a key.

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startGateway, type Gateway } from '../gateway/harness/gateway.js';
import { startRealtime, type RealtimeServer } from '../gateway/harness/realtime_server.js';
import { startUpstream, type TestUpstream } from '../gateway/harness/upstream.js';
import { variants, type Variant } from '../gateway/harness/variants.js';
import { findChromium, type Chromium } from './chromium.js';

const key = 'key-of-a-page';
const keys = `${key} scope=models\nother-key\n`;
const variant = variants[0] as Variant;

const found = findChromium();
if ('missing' in found) console.warn(`SKIPPED: no Chromium for the tests of pages: ${found.missing}`);

let browser: Browser;
let site: Server;

describe.skipIf('missing' in found)('a page in Chromium', () => {
  let origins: { named: string; other: string };

  beforeAll(async () => {
    const { executablePath, args, env } = found as Chromium;
    const environment = { ...process.env, ...env } as { [name: string]: string };
    browser = await chromium.launch({ executablePath, args, env: environment, chromiumSandbox: false });
    site = createServer((_, response) => {
      response.setHeader('Content-Type', 'text/html');
      response.end('<!doctype html><title>page</title>');
    });
    await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve));
    const { port } = site.address() as AddressInfo;
    origins = { named: `http://127.0.0.1:${port}`, other: `http://localhost:${port}` };
  });

  afterAll(async () => {
    await browser?.close();
    site?.close();
  });

  async function open(origin: string): Promise<Page> {
    const context = await browser.newContext({ ignoreHTTPSErrors: true });
    const page = await context.newPage();
    await page.goto(origin);
    return page;
  }

  describe('that fetches', () => {
    let gateway: Gateway;
    let upstream: TestUpstream;

    beforeAll(async () => {
      upstream = await startUpstream({}, ({ method, headers }) => ({
        status: method === 'OPTIONS' ? 204 : 200,
        headers: {
          'access-control-allow-origin': headers.origin ?? '',
          'access-control-allow-headers': 'x-api-key, authorization',
          'access-control-allow-methods': 'GET, POST',
        },
        body: method === 'OPTIONS' ? '' : 'upstream',
      }));
      const env = { CORS_PREFLIGHT: 'pass', CORS_ORIGINS: origins.named, REQUIRE_SCOPE: 'models' };
      gateway = await startGateway({ variant, upstream, keys, env });
    });

    afterAll(async () => {
      await gateway?.stop();
      await upstream?.close();
    });

    const script = (path: string, method: string, headers: object) => `
      fetch(${JSON.stringify(gateway.url + path)}, { method: '${method}', headers: ${JSON.stringify(headers)} }).then(
        async (answer) => ({
          status: answer.status,
          challenge: answer.headers.get('www-authenticate'),
          id: answer.headers.get('x-request-id'),
          body: await answer.text(),
        }),
        (error) => error.message)`;
    type Read = { status: number; challenge: string | null; id: string | null; body: string };

    it('reads a refusal and its challenge, and gets a token that admits it', async () => {
      const page = await open(origins.named);
      const ask = (path: string, method: string, headers: object) =>
        page.evaluate(script(path, method, headers)) as Promise<Read>;
      const wrong = await ask('/v1/models', 'GET', { 'x-api-key': 'wrong' });
      expect(wrong).toMatchObject({ status: 401, challenge: expect.stringContaining('invalid_token') as string });
      expect(wrong.body).toContain('invalid_api_key');
      expect(wrong.id).toMatch(/^[0-9a-f]{32}$/);
      expect(await ask('/v1/models', 'GET', { 'x-api-key': 'other-key' })).toMatchObject({ status: 403 });
      const minted = await ask('/token', 'POST', { 'x-api-key': key });
      expect(minted.status, minted.body).toBe(200);
      const { token } = JSON.parse(minted.body) as { token: string };
      const admitted = await ask('/v1/models', 'GET', { authorization: `Bearer ${token}` });
      expect(admitted).toMatchObject({ status: 200, body: 'upstream' });
      await page.context().close();
    }, 60000);

    it('sees only that the fetch has failed where CORS_ORIGINS does not name its origin', async () => {
      const page = await open(origins.other);
      for (const [path, method] of [
        ['/v1/models', 'GET'],
        ['/token', 'POST'],
      ] as const)
        expect(await page.evaluate(script(path, method, { 'x-api-key': 'wrong' }))).toBe('Failed to fetch');
      await page.context().close();
    }, 60000);
  });

  describe('that opens a WebSocket with a key among the subprotocols', () => {
    let gateway: Gateway;
    let upstream: RealtimeServer;

    beforeAll(async () => {
      upstream = await startRealtime();
      const env = { CREDENTIAL_HEADERS: 'sec-websocket-protocol', UPSTREAM_URL: upstream.url };
      gateway = await startGateway({ variant, keys, env });
    });

    afterAll(async () => {
      await gateway?.stop();
      upstream.server.closeAllConnections();
      upstream.server.close();
    });

    it('is connected, and the upstream sees the others alone', async () => {
      const page = await open(origins.named);
      const connect = (secret: string) =>
        page.evaluate(`new Promise((resolve) => {
          const protocols = ['realtime', 'openai-insecure-api-key.${secret}', 'openai-beta.realtime-v1'];
          const socket = new WebSocket('${gateway.url.replace('https', 'wss')}/v1/realtime', protocols);
          socket.onmessage = ({ data }) => { resolve(socket.protocol + ' ' + JSON.parse(data).type); socket.close(); };
          socket.onerror = () => resolve('refused');
        })`);
      expect(await connect(key), gateway.errorLog()).toBe('realtime session.created');
      const { headers } = upstream.arrived[0] ?? {};
      expect(headers?.['sec-websocket-protocol']).toBe('realtime, openai-beta.realtime-v1');
      expect(JSON.stringify(headers)).not.toContain(key);
      expect(await connect('wrong')).toBe('refused');
      expect(upstream.arrived).toHaveLength(1);
      await page.context().close();
    }, 60000);
  });
});
