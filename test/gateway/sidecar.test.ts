// What the sidecar is for, and what happens around it: bcrypt under load, budgets, races, and its absence.

import { hashSync } from '@node-rs/bcrypt';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { startGateway, type Gateway, type GatewayOptions } from './harness/gateway.js';
import { startSidecar } from './harness/sidecar_process.js';
import { jwksOf, makeSigner } from './harness/tokens.js';
import { variants } from './harness/variants.js';

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const withKey = (key: string, from?: string) => ({ headers: { 'x-api-key': key }, ...(from && { from }) });
const hashOf = (key: string, cost = 4, mark = 'b') => hashSync(key, cost).replace(/^\$2.\$/, () => `$2${mark}$`);
const sha256Line = (key: string) => `$sha256$${createHash('sha256').update(key).digest('base64url')}`;
const generated = (id: string) => `kg_${id}_${'s'.repeat(43)}`;

describe.each(variants)('$name: the sidecar', (variant) => {
  let gateway: Gateway;

  const open = async (options: Partial<GatewayOptions>) => {
    gateway = await startGateway({ variant, ...options });
  };
  const status = async (key: string, from?: string) => (await gateway.send('/', withKey(key, from))).status;

  afterEach(() => gateway?.stop());

  it(
    'checks bcrypt keys of every spelling, by id or against all without one, and no key that bcrypt ' + 'would cut',
    async () => {
      const long = 'k'.repeat(72);
      const other = generated('AAAAAAAA');
      const keys = [
        ...['a', 'b', 'y'].map((mark) => `${mark}:${hashOf(`key-${mark}`, 4, mark)}`),
        `long:${hashOf(long)}`,
        `first:${hashOf(generated('Ab3dE6gH'))} id=Ab3dE6gH`,
        `other:${hashOf(other)}`, // a generated key whose line has lost its id
        `dear:${hashOf('dear-key').replace('$04$', () => '$15$')}`,
      ];
      await open({ keys: keys.join('\n') });
      for (const key of ['key-a', 'key-b', 'key-y', long, generated('Ab3dE6gH')])
        expect(await status(key), key).toBe(200);
      for (const key of [`${long}x`, other, generated('Zb3dE6gH'), 'dear-key', 'key-c'])
        expect(await status(key), key).toBe(401);
      expect(gateway.errorLog()).toContain('line 7: bcrypt cost 15 is above 14');
      const names = gateway.upstream.arrived.map(({ headers }) => headers['x-auth-user']);
      expect(names).toEqual(['a', 'b', 'y', 'long', 'first']);
    },
  );

  it('answers 503 with Retry-After when the queue is full, and runs its threads niced', async () => {
    await open({ keys: `alice:${hashOf('alice-key', 9)}\n`, env: { BCRYPT_QUEUE: '2' } });
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, i) => gateway.send('/', withKey(`wrong-key-${i}`))),
    );
    const full = answers.filter((answer) => answer.status === 503);
    expect(full.length).toBeGreaterThan(0);
    expect(answers.filter((answer) => answer.status === 401).length).toBe(12 - full.length);
    for (const answer of full) {
      expect(answer.headers['retry-after']).toBe('1');
      expect(answer.json().error.code).toBe('verifier_unavailable');
    }
    const same = await Promise.all(Array.from({ length: 30 }, () => status('alice-key')));
    expect(new Set(same)).toEqual(new Set([200]));
    const tasks = `/proc/${gateway.sidecar?.pid}/task`;
    const nices = readdirSync(tasks).map((task) => {
      const fields = readFileSync(`${tasks}/${task}/stat`, 'utf8')
        .replace(/^.*\) /, '')
        .split(' ');
      return Number(fields[16]); // proc(5): nice is field 19
    });
    expect(nices).toContain(0);
    expect(nices.filter((nice) => nice >= 10)).toHaveLength(1);
  });

  it('charges an address for keys that take too long to check, and remembers what came of them', async () => {
    const others = Array.from(
      { length: 40 },
      (_, i) => `u${i}:$2b$11$${'a'.repeat(21)}u${'a'.repeat(29)}${String(10 + i)}`,
    );
    await open({
      keys: `${others.join('\n')}\nlast:${hashOf('last-key', 11)}\n`,
      env: { RATE_LIMIT_AUTH: '1r/m', RATE_LIMIT_AUTH_BURST: '3' },
    });
    const from = '127.0.0.9';
    const first = await gateway.send('/', withKey('last-key', from));
    expect(first.status).toBe(503);
    expect(first.headers['retry-after']).toBe('1');
    await vi.waitFor(async () => expect(await status('last-key', '127.0.0.10')).toBe(200), {
      timeout: 90000, // niced threads get a tenth of a busy core
      interval: 1000,
    });
    const wrong = await Promise.all(['w-1', 'w-2', 'w-3'].map((key) => status(key, from)));
    expect(wrong).toEqual([503, 503, 503]);
    let more = 3;
    const spent = async () => expect(await status(`w-${++more}`, from), 'spent').toBe(429);
    // A busy machine may take longer than a refill of the budget.
    await vi.waitFor(spent, { timeout: 60000, interval: 100 });
  }, 180000);

  it('stops trying the keys of an address that has spent its budget; what needs no check goes on', async () => {
    const signer = await makeSigner('ES256', 'kid');
    const jwksPath = join(mkdtempSync(join(tmpdir(), 'keygate-jwks-')), 'jwks.json');
    writeFileSync(jwksPath, jwksOf(signer));
    await open({
      keys: `alice:${hashOf('alice-key')}\ncarol:${hashOf('carol-key')}\nbob:${sha256Line('bob-key')}\nplain-key\n`,
      env: { RATE_LIMIT_AUTH: '2r/m', RATE_LIMIT_AUTH_BURST: '3', JWKS_PATH: jwksPath },
    });
    const from = '127.0.0.7';
    expect(await status('alice-key', from)).toBe(200);
    const wrong: number[] = [];
    for (let i = 0; i < 6; i++) wrong.push(await status(`wrong-${i}`, from));
    expect(wrong).toEqual([401, 401, 401, 401, 429, 429]);
    const answer = await gateway.send('/', withKey('wrong', from));
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    expect(answer.json().error).toMatchObject({ type: 'rate_limit_error', code: 'rate_limited' });
    expect(await status('carol-key', from), 'valid, and not tried').toBe(429);
    expect(await status('carol-key', '127.0.0.8'), 'from elsewhere').toBe(200);
    const mint = await gateway.send('/token', { method: 'POST', ...withKey('bob-key', from) });
    expect(mint.status).toBe(429);
    for (const key of ['alice-key', 'bob-key', 'plain-key', 'carol-key']) {
      expect(await status(key, from), key).toBe(200); // known, or known without the sidecar
    }
    const token = { from, headers: { authorization: `Bearer ${await signer.sign()}` } };
    expect((await gateway.send('/', token)).status).toBe(200);
    const forged = { from, headers: { authorization: `Bearer ${await signer.sign()}x` } };
    expect((await gateway.send('/', forged)).status).toBe(429);
    expect((await gateway.send('/', { from })).status, 'nothing sent').toBe(401);
    await gateway.sidecar?.stop();
    expect(await status('another-wrong', from), 'the sidecar is not even asked').toBe(429);
  });

  it('caches no verdict that rests on another set of keys than its own', async () => {
    await open({ keys: `alice:${hashOf('alice-key')}\n`, sidecar: false });
    let generation: string | undefined;
    let asked = 0;
    const server: Server = createServer((request, response) => {
      let text = '';
      request.on('data', (part: Buffer) => (text += part.toString()));
      request.on('end', () => {
        if (request.url !== '/verify') return response.writeHead(404).end();
        asked++;
        const question = JSON.parse(text) as { generation: string };
        const entry = { subject: 'alice', scopes: [], expiresSeconds: null, keyId: 'f', limit: null };
        response.writeHead(200, { 'content-type': 'application/vnd.keygate+json' });
        const used = generation ?? question.generation;
        return response.end(JSON.stringify({ admitted: true, entry, generation: used }));
      });
    });
    const socket = join(gateway.stateDir, 'run', 'verifier.sock');
    rmSync(socket, { force: true });
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    generation = 'x'.repeat(22);
    for (let i = 1; i <= 3; i++) {
      expect(await status('alice-key')).toBe(200);
      if (variant.engine === 'njs') expect(asked).toBe(i);
    }
    const before = asked;
    generation = undefined;
    for (let i = 0; i < 3; i++) expect(await status('alice-key')).toBe(200);
    expect(before).toBe(3);
    expect(asked).toBe(4);
    server.closeAllConnections();
    server.close();
  });

  it('keeps everybody served who needs no sidecar while it hangs or is killed, and recovers at once', async () => {
    const signer = await makeSigner('RS256', 'kid');
    const jwksPath = join(mkdtempSync(join(tmpdir(), 'keygate-jwks-')), 'jwks.json');
    writeFileSync(jwksPath, jwksOf(signer));
    const keys = `alice:${hashOf('alice-key')}\nbob:${sha256Line('bob-key')}\nplain-key\n${Array.from({ length: 9 }, (_, i) => `u${i}:${hashOf(generated(`aaaaaaa${i}`))} id=aaaaaaa${i}`).join('\n')}\n`;
    const env = { JWKS_PATH: jwksPath };
    await open({ keys, env, workers: 2 });
    expect(await status('alice-key')).toBe(200);
    const wrong: string[] = [];
    let isOver = false;
    const load = async () => {
      while (!isOver) {
        for (const key of ['alice-key', 'bob-key', 'plain-key']) {
          const got = await status(key);
          if (got !== 200) wrong.push(`${key} ${got}`);
        }
        const got = await gateway.send('/', { headers: { authorization: `Bearer ${await signer.sign()}` } });
        if (got.status !== 200) wrong.push(`token ${got.status}`);
        await pause(10);
      }
    };
    const clients = [load(), load()];
    gateway.sidecar?.kill('SIGSTOP');
    const startedMs = Date.now();
    const hung = await gateway.send('/', withKey(generated('aaaaaaa0')));
    expect(hung.status).toBe(503);
    expect(hung.headers['retry-after']).toBe('1');
    expect(Date.now() - startedMs).toBeLessThan(3000);
    gateway.sidecar?.kill('SIGCONT');
    await vi.waitFor(async () => expect(await status(generated('aaaaaaa1'))).toBe(200), 20000);
    await gateway.sidecar?.stop(); // SIGKILL
    expect(await status(generated('aaaaaaa2'))).toBe(503);
    const socket = join(gateway.stateDir, 'run', 'verifier.sock');
    const again = await startSidecar({
      env: { ...env, STATE_DIR: gateway.stateDir, API_KEYS_FILE: gateway.keysFile },
      socket,
    });
    await vi.waitFor(async () => expect(await status(generated('aaaaaaa3'))).toBe(200), 20000);
    isOver = true;
    await Promise.all(clients);
    await again.stop();
    expect(wrong).toEqual([]);
  });
});
