// A client that sends prompts and files of any size: nothing of them is written to disk, every byte arrives, and what
// goes wrong after the decision does not speak of the decision. And a client that reuses connections.

import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sendRaw } from './harness/client.js';
import { startGateway, type Gateway } from './harness/gateway.js';
import { variants } from './harness/variants.js';

const good = { 'x-api-key': 'good-key' };
const digest = (body: Buffer) => createHash('sha256').update(body).digest('hex');

describe.each(variants)('$name: bodies', (variant) => {
  let gateway: Gateway;

  beforeAll(async () => {
    gateway = await startGateway({ variant, keys: 'good-key\n' });
  });

  afterAll(() => gateway?.stop());

  const temporaryFiles = () => readdirSync(join(gateway.dir, 'temp', 'client_body')).length;

  it.each([10_000, 999_999, 1_000_000, 1_048_577, 20_000_000])(
    'of %i bytes arrive whole, and none on disk',
    async (size) => {
      const body = randomBytes(size);
      gateway.upstream.arrived.length = 0;
      const answer = await gateway.send('/v1/chat?a=1', {
        method: 'POST',
        headers: { ...good, 'content-length': String(size) },
        body,
      });
      expect(answer.status, gateway.errorLog()).toBe(200);
      const [arrived] = gateway.upstream.arrived;
      expect(digest(arrived?.body ?? Buffer.alloc(0))).toBe(digest(body));
      expect(arrived).toMatchObject({
        target: '/v1/chat?a=1',
        headers: { 'x-auth-user': expect.stringMatching(/^key-/) as string },
      });
      expect(arrived?.headers).not.toHaveProperty('x-api-key');
      expect(temporaryFiles()).toBe(0);
      expect(gateway.errorLog()).not.toContain('buffered to a temporary file');
    },
  );

  it('of unknown length are streamed, and guarded alike', async () => {
    const chunk = `${(70000).toString(16)}\r\n${'x'.repeat(70000)}\r\n0\r\n\r\n`;
    const head = 'POST /v1/chat HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n';
    expect(await sendRaw(gateway.url, `${head}x-api-key: good-key\r\n\r\n${chunk}`)).toMatch(/^HTTP\/1\.1 200 /);
    expect(gateway.upstream.arrived.at(-1)?.body.length).toBe(70000);
    expect(await sendRaw(gateway.url, `${head}x-api-key: wrong\r\n\r\n${chunk}`)).toMatch(/^HTTP\/1\.1 401 /);
    const large = {
      method: 'POST',
      headers: { 'x-api-key': 'wrong', 'content-length': '2000000' },
      body: Buffer.alloc(2000000),
    };
    expect((await gateway.send('/v1/chat', large)).status).toBe(401);
    const refused = await gateway.send('/token/', { ...large, headers: { ...large.headers, ...good } });
    expect(refused.status).toBe(404);
    expect(refused.json().error.code).toBe('not_found');
    expect((await gateway.send('/v1/chat', { ...large, headers: { ...large.headers, ...good } })).status).toBe(200);
  });

  it('over 100 MB are refused with 413', async () => {
    const head = 'POST /v1/chat HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 104857601\r\n';
    expect(await sendRaw(gateway.url, `${head}x-api-key: good-key\r\n\r\n`)).toMatch(
      /^HTTP\/1\.1 413 [^]*request_too_large/,
    );
  });

  it('passes an answer with 15 KB of headers on, and sends none of ours twice', async () => {
    const upstream = await answering({ 'x-large': 'y'.repeat(15000), 'x-request-id': 'theirs' });
    const other = await startGateway({ variant, keys: 'good-key\n', env: { UPSTREAM_URL: upstream.url } });
    const answer = await other.send('/', { headers: { ...good, 'x-request-id': 'ours' } });
    expect(answer.status, other.errorLog()).toBe(200);
    expect(answer.headers).toMatchObject({ 'x-request-id': 'ours' });
    expect(String(answer.headers['x-large'])).toHaveLength(15000);
    await other.stop();
    upstream.server.close();
  });

  it('tells the upstream nothing of the way that a client makes up', async () => {
    gateway.upstream.arrived.length = 0;
    const forged = {
      forwarded: 'for=6.6.6.6',
      'x-forwarded-prefix': '/evil',
      'x-forwarded-port': '1',
      'x-original-url': '/x',
    };
    expect((await gateway.send('/', { headers: { ...good, ...forged } })).status).toBe(200);
    for (const name of Object.keys(forged)) expect(gateway.upstream.arrived[0]?.headers).not.toHaveProperty(name);
  });
});

describe.each(variants)('$name: a failure after the decision', (variant) => {
  it('does not speak of the decision, and keeps the user in the log', async () => {
    const small = (text: string) => text.replace('client_body_buffer_size 1m;', 'client_body_buffer_size 8k;');
    const gateway = await startGateway({ variant, keys: 'good-key\n', edit: { 'nginx.conf': small } });
    rmSync(join(gateway.dir, 'temp', 'client_body'), { recursive: true });
    const body = Buffer.alloc(20000);
    const answer = await gateway.send('/', { method: 'POST', headers: { ...good, 'content-length': '20000' }, body });
    expect(answer.status).toBe(500);
    expect(answer.json().error).toMatchObject({
      code: 'internal_error',
      message: expect.stringContaining('failed to pass this request on') as string,
    });
    await expect.poll(() => gateway.accessLog()).toMatch(/"reason":"failed_after_decision","subject":"key-/);
    await gateway.stop();
  });
});

async function answering(headers: { [name: string]: string }): Promise<{ server: Server; url: string }> {
  const server = createServer({ maxHeaderSize: 65536 }, (_, response) => response.writeHead(200, headers).end('x'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}
