// Clients that share one gateway: a key may not starve the others, and whoever is over its limit is told when to come
// again, in the words of its own API.

import { mkdtempSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Answered } from './harness/client.js';
import { startGateway, type Gateway, type GatewayOptions } from './harness/gateway.js';
import { withMemoryHandlers } from './harness/shared_memory.js';
import { jwksOf, makeSigner, type Signer } from './harness/tokens.js';
import { startUpstream, type TestUpstream } from './harness/upstream.js';
import { variants } from './harness/variants.js';
import { hashKey } from '../../cli/keys/new_key.js';

const upstreamsOwn = {
  'x-ratelimit-limit-requests': 'upstream',
  'anthropic-ratelimit-requests-limit': 'upstream',
  'x-ratelimit-limit-tokens': '7',
};

let upstream: TestUpstream;
let signer: Signer;
let line: (name: string, key: string, attributes?: string) => Promise<string>;

beforeAll(async () => {
  upstream = await startUpstream(upstreamsOwn, ({ target }) => ({ status: target === '/missing' ? 404 : 200 }));
  signer = await makeSigner('ES256', 'one');
  line = async (name, key, attributes = '') => `${name}:${await hashKey(key, false)} ${attributes}\n`;
});
afterAll(() => upstream?.close());

describe.each(variants)('$name: limits of a principal', (variant) => {
  let gateway: Gateway;
  afterEach(() => gateway?.stop());

  const open = async (options: Omit<GatewayOptions, 'variant'>) => {
    gateway = await startGateway({ variant, upstream, workers: 4, sidecar: false, ...options });
  };
  const ask = (key: string, path = '/v1/models') => gateway.send(path, { headers: { 'x-api-key': key } });
  const bearer = (token: string) => gateway.send('/v1/models', { headers: { authorization: `Bearer ${token}` } });
  const statuses = (answers: Answered[]) => answers.map(({ status }) => status);
  const times = <T>(count: number, make: () => Promise<T>) => Promise.all(Array.from({ length: count }, make));
  const mint = async (key: string) => {
    const answer = await gateway.send('/token', { method: 'POST', headers: { 'x-api-key': key } });
    expect(answer.status, answer.body).toBe(200);
    return (answer.json() as unknown as { token: string }).token;
  };

  it('admits exactly one of 200 requests that come at once, and those of other keys', async () => {
    const keys = (await line('alice', 'a', 'rate=60/m burst=0')) + (await line('bob', 'b'));
    await open({ keys });
    for (let round = 0; round < 2; round++) {
      const startedMs = performance.now();
      const answers = await times(200, () => ask('a'));
      const admitted = statuses(answers).filter((status) => status === 200).length;
      expect(admitted).toBeGreaterThanOrEqual(1);
      // One, and on a busy machine one more for each second that the 200 took.
      expect(admitted).toBeLessThanOrEqual(1 + Math.floor((performance.now() - startedMs) / 1000));
      expect(statuses(answers).filter((status) => status === 429)).toHaveLength(200 - admitted);
      await vi.waitFor(async () => expect((await ask('a')).status).toBe(200), { timeout: 20000, interval: 100 });
      await new Promise((resolve) => setTimeout(resolve, 1100)); // the bucket is full, and its time in the past
    }
    expect(statuses(await times(50, () => ask('b')))).toEqual(Array(50).fill(200));
  });

  it('admits the burst and one of many that come at once, whatever they ask for', async () => {
    await open({ keys: await line('alice', 'a', 'rate=1/h burst=20') });
    const answers = await times(100, () => ask('a', '/missing'));
    expect(statuses(answers).filter((status) => status === 404)).toHaveLength(21);
    const remaining = answers.filter(({ status }) => status === 404).map(({ headers }) => remainingOf(headers));
    expect(remaining.sort((a, b) => a - b)).toEqual(Array.from({ length: 21 }, (_, i) => i));
  });

  it('charges lines of one name, and the tokens of a key, to one budget; POST /token costs nothing', async () => {
    const keys = (await line('alice', 'a', 'rate=1/h burst=3')) + (await line('alice', 'a2'));
    await open({ keys, sidecar: true }); // it mints
    const token = await mint('a');
    expect((await ask('a')).status).toBe(200);
    expect((await ask('a2')).headers['x-ratelimit-remaining-requests']).toBe('2');
    expect((await bearer(token)).headers['x-ratelimit-remaining-requests']).toBe('1');
    expect((await bearer(await mint('a2'))).headers['x-ratelimit-remaining-requests']).toBe('0');
    for (const answer of [await ask('a'), await ask('a2'), await bearer(token)]) expect(answer.status).toBe(429);
    await mint('a');
  });

  it('holds RATE_LIMIT_KEY for whoever has no limit: keys by entry, tokens by issuer and subject', async () => {
    const jwks = join(mkdtempSync(join(tmpdir(), 'keygate-limits-')), 'jwks.json');
    writeFileSync(jwks, jwksOf(signer));
    const keys = `plain-one\nplain-two\n${await line('alice', 'a', 'rate=1/h burst=5')}`;
    const env = { RATE_LIMIT_KEY: '1/h', RATE_LIMIT_KEY_BURST: '1', JWKS_PATH: jwks };
    await open({ keys, env: { ...env, JWT_ISSUER: 'any' } });
    for (const key of ['plain-one', 'plain-two'])
      expect(statuses([await ask(key), await ask(key), await ask(key)])).toEqual([200, 200, 429]);
    expect((await ask('a')).headers['x-ratelimit-limit-requests']).toBe('6');
    const [one, other, again] = [
      await signer.sign(),
      await signer.sign({ sub: 'bob' }),
      await signer.sign({ jti: '2' }),
    ];
    expect(statuses([await bearer(one), await bearer(again), await bearer(one)])).toEqual([200, 200, 429]);
    expect(statuses([await bearer(other), await bearer(other), await bearer(other)])).toEqual([200, 200, 429]);
    const elsewhere = await signer.sign({ iss: 'https://other.example' });
    expect((await bearer(elsewhere)).status).toBe(200);
  });

  it('tells OpenAI clients and Anthropic clients of their limit, in the place of what the upstream says', async () => {
    await open({ keys: `free-key\n${await line('alice', 'a', 'rate=10/m burst=1')}` });
    const { headers } = await ask('a', '/v1/chat/completions');
    expect(headers).toMatchObject({
      'x-ratelimit-limit-requests': '2',
      'x-ratelimit-remaining-requests': '1',
      'x-ratelimit-reset-requests': '6s',
      'x-ratelimit-limit-tokens': '7',
    });
    expect(headers['anthropic-ratelimit-requests-limit']).toBeUndefined();
    const second = (await ask('a', '/v1/messages?beta=true')).headers;
    expect(second).toMatchObject({
      'anthropic-ratelimit-requests-limit': '2',
      'anthropic-ratelimit-requests-remaining': '0',
      'anthropic-ratelimit-requests-reset': expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/) as string,
    });
    const reset = Date.parse(second['anthropic-ratelimit-requests-reset'] as string) - Date.now();
    expect(reset).toBeGreaterThan(9000);
    expect(reset).toBeLessThan(13100);
    expect(second['x-ratelimit-limit-requests']).toBeUndefined();
    const free = (await ask('free-key')).headers;
    expect(free).toMatchObject(upstreamsOwn);
    expect(free['x-ratelimit-remaining-requests']).toBeUndefined();
    expect(free).toMatchObject({ 'strict-transport-security': 'max-age=63072000' });
    expect(free['x-request-id']).toMatch(/^[0-9a-f]{32}$/);
  });

  it('refuses with the time to wait, and with x-should-retry: false where that is over a minute', async () => {
    const keys = (await line('alice', 'a', 'rate=30/m')) + (await line('bob', 'b', 'rate=2/h'));
    await open({ keys });
    for (const key of ['a', 'b']) expect((await ask(key)).status).toBe(200);
    const soon = await ask('a', '/v1/messages');
    expect(soon.status).toBe(429);
    expect(soon.json()).toMatchObject({ type: 'error', error: { type: 'rate_limit_error', code: 'rate_limited' } });
    const waitMs = Number(soon.headers['retry-after-ms']);
    expect(waitMs).toBeGreaterThan(0);
    expect(waitMs).toBeLessThanOrEqual(2000);
    expect(soon.headers['retry-after']).toBe(String(Math.ceil(waitMs / 1000)));
    expect(soon.headers['x-should-retry']).toBeUndefined();
    expect(soon.headers['anthropic-ratelimit-requests-remaining']).toBe('0');
    const late = await ask('b');
    expect(Number(late.headers['retry-after'])).toBeGreaterThan(1795);
    expect(late.headers).toMatchObject({ 'x-should-retry': 'false', 'x-ratelimit-remaining-requests': '0' });
    expect(late.headers['x-ratelimit-reset-requests']).toMatch(/^(?:30m0s|29m5\d(?:\.\d+)?s)$/);
    await expect.poll(() => gateway.accessLog()).toContain('"key_rate_limited"');
  });

  it('keeps what was spent through a reload and an edit of the key file', async () => {
    const keys = await line('alice', 'a', 'rate=2/h burst=1');
    await open({ keys });
    expect(statuses([await ask('a'), await ask('a'), await ask('a')])).toEqual([200, 200, 429]);
    gateway.nginx.reload();
    writeFileSync(`${gateway.keysFile}.new`, `${keys}another-key\n`);
    renameSync(`${gateway.keysFile}.new`, gateway.keysFile);
    await vi.waitFor(async () => expect((await ask('another-key')).status).toBe(200), { timeout: 20000 });
    expect(statuses(await times(20, () => ask('a')))).toEqual(Array(20).fill(429));
  });

  it('refuses with 503, and never lifts a limit, where shared memory is full', async () => {
    const keys = (await line('alice', 'a', 'rate=1/h')) + (await line('bob', 'b', 'rate=1/h')) + 'free-key\n';
    const fill = `function fill(r) {
      [1, 10, 20, 40, 60, 80, 120].forEach((length) => {
        try { for (let i = 0; i < 10000; i++) ngx.shared.keygate_limits.set('x'.repeat(length) + i, i); } catch (e) {}
      });
      r.return(204);
    }
    export default { fill };`;
    const edit = withMemoryHandlers(
      'location = /fill { auth_request off; js_import filling from keygate/filling.js; js_content filling.fill; }',
      { keygate_limits: '32k' },
    );
    await open({ keys, workers: 1, edit: { ...edit, 'keygate/filling.js': () => fill } });
    expect((await ask('a')).status).toBe(200);
    await gateway.send('/fill');
    const full = await ask('b');
    expect(full.status).toBe(503);
    expect(full.json().error).toMatchObject({ code: 'overloaded' });
    expect((await ask('a')).status).toBe(429);
    expect((await ask('free-key')).status).toBe(200);
    expect(gateway.errorLog()).toContain('keygate_limits is full');
  });

  it('counts nothing for a refused credential, and no zone holds a key', async () => {
    await open({ keys: await line('alice', 'the-key', 'rate=1/h burst=1 scope=a'), env: { REQUIRE_SCOPE: 'b' } });
    expect(statuses([await ask('the-key'), await ask('the-key'), await ask('the-key')])).toEqual([403, 403, 403]);
    expect(readFileSync(join(gateway.dir, 'access.log'), 'utf8')).not.toContain('the-key');
  });
});

function remainingOf(headers: Answered['headers']): number {
  return Number(headers['x-ratelimit-remaining-requests']);
}
