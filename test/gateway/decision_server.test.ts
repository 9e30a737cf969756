// An attacker on the same machine, and bad luck: whatever stands in the decision server's place or befalls it, nobody
// is admitted without a verdict, and whoever waits gets an answer that says so.

import { spawnSync } from 'node:child_process';
import { createServer, type Server } from 'node:net';
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { send } from './harness/client.js';
import { freePort } from './harness/free_port.js';
import { startGateway, type Gateway } from './harness/gateway.js';
import { startImpostor } from './harness/impostor.js';
import { variants } from './harness/variants.js';

const asking = variants.filter(({ entry }) => entry === 'auth_request');
const key = 'a-key-that-is-good';
const good = { 'x-api-key': key };

/** Something that listens in the decision server's place and answers each question with the same bytes, or never. */
async function startStranger(port: number, answer: string | undefined): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    server.once('keygate-end', () => socket.destroy()); // nginx keeps connections
    socket.on('data', () => answer !== undefined && socket.write(answer));
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return server;
}

const answerWith = (status: number, headers = '') => `HTTP/1.1 ${status} X\r\n${headers}Content-Length: 0\r\n\r\n`;

describe.each(asking)('$name: the decision server', (variant) => {
  describe('replaced', () => {
    let gateway: Gateway;
    let strangersPort: number;
    let stranger: Server | undefined;

    beforeAll(async () => {
      strangersPort = await freePort();
      gateway = await startGateway({
        variant,
        keys: `${key}\n`,
        edit: {
          'keygate/ask.conf': (text) =>
            text.replace('proxy_pass http://keygate_decision;', 'proxy_pass http://strangers;'),
          'keygate/to_decision.conf': (text) => text.replace('proxy_read_timeout 10s;', 'proxy_read_timeout 1s;'),
          'nginx.conf': (text) =>
            text.replace(
              'include keygate/http.conf;',
              `include keygate/http.conf; upstream strangers { server 127.0.0.1:${strangersPort} max_fails=0; }`,
            ),
        },
      });
    });

    afterAll(() => gateway?.stop());

    const ask = async (answer: string | undefined) => {
      stranger = await startStranger(strangersPort, answer);
      try {
        gateway.upstream.arrived.length = 0;
        return await gateway.send('/x', { headers: good });
      } finally {
        stranger.emit('keygate-end');
        stranger.close();
        expect(gateway.upstream.arrived).toHaveLength(0);
      }
    };

    it.each([301, 302, 303, 307, 400, 404, 405, 410, 413, 414, 418, 429, 431, 502, 503, 504, 599])(
      'answers 503 where it says %i',
      async (status) => {
        const answer = await ask(answerWith(status));
        if (status === 418 || status === 599) expect(answer.status).toBe(500);
        else {
          expect([answer.status, answer.headers['retry-after'], answer.json().error.code]).toEqual([
            503,
            '1',
            'overloaded',
          ]);
        }
      },
    );

    it('answers 500 where it fails by itself, 503 where it is not ours', async () => {
      expect((await ask(answerWith(500, 'X-Keygate-Decision: on\r\n'))).json().error.code).toBe('internal_error');
      expect((await ask(answerWith(500))).json().error.code).toBe('overloaded');
    });

    it.each([401, 403])('answers a bare %i as one, without a body of ours that nobody gave', async (status) => {
      expect((await ask(answerWith(status))).status).toBe(status);
    });

    it('never follows an X-Accel-Redirect from there', async () => {
      const redirected = answerWith(404, 'X-Accel-Redirect: /health\r\n');
      expect((await ask(redirected)).status).toBe(503);
    });

    it('answers 503 when it is away, hangs, talks nonsense or hangs up', async () => {
      expect((await gateway.send('/x', { headers: good })).status).toBe(503);
      const tooLong = `HTTP/1.1 204 X\r\nX-Long: ${'a'.repeat(9000)}\r\n\r\n`;
      for (const answer of [undefined, tooLong]) expect((await ask(answer)).status).toBe(503);
      expect((await ask('nonsense\r\n\r\n')).status).toBe(500); // to nginx, a status of 9
      expect(gateway.accessLog()).toContain('"reason":"decision_unavailable"');
      expect(gateway.errorLog()).toMatch(/connect\(\) failed .* subrequest: "\/_keygate_ask"/);
    });
  });

  describe('asked', () => {
    let gateway: Gateway;
    let port: number;

    beforeAll(async () => {
      port = await freePort();
      gateway = await startGateway({ variant, keys: `${key}\n`, decision: `127.0.0.1:${port}` });
    });

    afterAll(() => gateway?.stop());

    it('tells nobody anything who does not know the secret, and logs who asked', async () => {
      for (const secret of [undefined, '', 'none', 'wrong']) {
        for (const path of ['/_keygate_ask', '/token', '/health/ready', '/_keygate_sidecar/verify']) {
          const headers = { ...good, ...(secret === undefined ? {} : { 'x-keygate-secret': secret }) };
          expect((await send(`http://127.0.0.1:${port}`, path, { headers })).status).toBe(404);
        }
      }
      expect(gateway.errorLog()).toContain('keygate_asked_without_the_secret');
    });

    it('keeps its address while it runs: another process can not listen there, with whatever options', () => {
      const script = `
        const s = require('node:net').createServer();
        s.on('error', (e) => { console.log(e.code); process.exit(0); });
        s.listen({ port: ${port}, host: '127.0.0.1', reusePort: true }, () => { console.log('listening'); process.exit(0); });`;
      const options = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
      const ran = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8', cwd: '/', ...options });
      expect(ran.stdout.trim()).toBe('EADDRINUSE');
    });

    it('takes credentials of 12 KB and header lines of 32 KB', async () => {
      const long = 'k'.repeat(12288);
      expect((await gateway.send('/x', { headers: { 'x-api-key': long } })).json().error.code).toBe('invalid_api_key');
      const padded = { ...good, 'x-padding': 'p'.repeat(32000) };
      expect((await gateway.send('/x', { headers: padded })).body).toBe('upstream');
      const target = `/${'a'.repeat(32000)}`;
      expect((await gateway.send(target, { headers: good })).body).toBe('upstream');
      expect((await gateway.send('/x', { headers: { authorization: `Bearer ${'t'.repeat(32000)}` } })).status).toBe(
        401,
      );
    });

    it('refuses header bytes that are not UTF-8', async () => {
      const header = Buffer.from([0xff, 0xfe, 0x80]).toString('latin1');
      expect((await gateway.send('/x', { headers: { 'x-api-key': header } })).status).toBe(401);
      expect((await gateway.send('/x', { headers: { ...good, 'x-request-id': header } })).status).toBe(200);
    });

    it('refuses a 3 MB upload with a wrong key before its body has come', async () => {
      const started = Date.now();
      const status = await uploadSlowly(gateway.url);
      expect(status).toBe(401);
      expect(Date.now() - started).toBeLessThan(3000);
    });
  });

  it('frees what 1,000 clients leave behind who go away while their keys are checked', async () => {
    const gateway = await startGateway({
      variant,
      keys: `alice:$2b$12$${'a'.repeat(21)}.${'b'.repeat(31)}\n`,
      sidecar: false,
      openFiles: 8192,
    });
    const impostor = await startImpostor(gateway, async () => {
      await new Promise((resolve) => setTimeout(resolve, 1500));
      return { admitted: false, reason: 'unknown_key', generation: '' };
    });
    try {
      await send(gateway.url, '/health');
      const [worker = ''] = readFileSync(`/proc/${gateway.nginx.pid}/task/${gateway.nginx.pid}/children`, 'utf8')
        .trim()
        .split(' ');
      const open = () => readdirSync(`/proc/${worker}/fd`).length;
      const before = open();
      for (let round = 0; round < 10; round++) await abort(gateway.url, 100, round);
      await vi.waitFor(() => expect(open()).toBeLessThan(before + 40), { timeout: 20000, interval: 200 });
      expect((await gateway.send('/x')).status).toBe(401);
      expect(gateway.errorLog()).not.toMatch(/exited on signal|pending events/);
    } finally {
      impostor.stop();
      await gateway.stop();
    }
  });
});

// A body of 3 MB of which only the beginning ever comes.
function uploadSlowly(url: string): Promise<number> {
  const { port } = new URL(url);
  return new Promise((resolve, reject) => {
    void import('node:tls').then(({ connect: connectTls }) => {
      const socket = connectTls({ host: '127.0.0.1', port: Number(port), rejectUnauthorized: false });
      socket.on('error', reject);
      socket.once('data', (part: Buffer) => {
        resolve(Number(part.toString().slice(9, 12)));
        socket.destroy();
      });
      socket.write(
        `POST /x HTTP/1.1\r\nHost: localhost\r\nx-api-key: wrong\r\nContent-Length: 3000000\r\n\r\n${'b'.repeat(1000)}`,
      );
    });
  });
}

async function abort(url: string, count: number, round: number): Promise<void> {
  const { connect: connectHttp2 } = await import('node:http2');
  const session = connectHttp2(url, { rejectUnauthorized: false });
  session.on('error', () => undefined);
  for (let i = 0; i < count; i++) {
    session.request({ ':path': '/x', 'x-api-key': `unknown-${round}-${i}` }).on('error', () => undefined);
  }
  await new Promise((resolve) => setTimeout(resolve, 150));
  session.destroy();
}
