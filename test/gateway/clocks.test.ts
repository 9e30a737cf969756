// A machine whose clock jumps: set back or forward by an hour, and put right again, by somebody or after a suspension.
// Whoever has a good credential is served, and what changes is taken up, whatever the clock did before.

import { hashSync } from '@node-rs/bcrypt';
import { mkdtempSync, renameSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { makeClock, type Clock } from './harness/clock.js';
import { startGateway, type Gateway } from './harness/gateway.js';
import { sha256Line } from './harness/key_file.js';
import { makeAuthority, startIssuer, startNameServer, type Authority, type NameServer } from './harness/issuer.js';
import { inSeconds, makeSigner, type Signer } from './harness/tokens.js';
import { describeAtOnce } from './harness/variants.js';

const hour = 3600;
const keys = `good-key\nalice:${hashSync('alice-key', 4)}\n`;

let authority: Authority;
let names: NameServer;
let signer: Signer;
let fresh: Signer;

beforeAll(async () => {
  authority = await makeAuthority();
  names = await startNameServer();
  signer = await makeSigner('ES256', 'one');
  fresh = await makeSigner('ES256', 'fresh');
});

afterAll(() => names?.close());

describeAtOnce('a clock that jumps', (variant) => {
  let gateway: Gateway;
  let clock: Clock;
  const closing: (() => Promise<void> | void)[] = [];

  const open = async (env: { [name: string]: string } = {}, lines = keys) => {
    clock = makeClock(variant, join(mkdtempSync(join(tmpdir(), 'keygate-clock-')), 'offset'));
    gateway = await startGateway({
      variant,
      keys: lines,
      env,
      command: clock.command,
      edit: { 'nginx.conf': clock.edit },
      resolver: names.address,
    });
    closing.unshift(() => gateway.stop());
  };
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });
  const status = async (key: string) => (await gateway.send('/', { headers: { 'x-api-key': key } })).status;
  const statusOf = async (token: string) =>
    (await gateway.send('/', { headers: { authorization: `Bearer ${token}` } })).status;
  const mint = async () =>
    (await gateway.send('/token', { method: 'POST', headers: { 'x-api-key': 'good-key' } })).status;
  const until = (ask: () => Promise<number>, expected: number) =>
    vi.waitFor(async () => expect(await ask(), gateway.errorLog()).toBe(expected), { timeout: 20000, interval: 50 });
  const writeKeys = (content: string) => {
    writeFileSync(`${gateway.keysFile}.new`, content);
    renameSync(`${gateway.keysFile}.new`, gateway.keysFile);
  };
  const settle = () => new Promise((resolve) => setTimeout(resolve, 400));

  it.each([
    ['back', [-hour]],
    ['forward and back', [hour, 0]],
    ['back and right', [-hour, 0]],
  ] as const)('set %s keeps no address waiting for what it spent before', async (_, offsets) => {
    await open({ RATE_LIMIT_AUTH: '5r/m', RATE_LIMIT_AUTH_BURST: '2' }, 'good-key\n');
    if (offsets[0] > 0) clock.set(offsets[0]);
    await settle();
    expect(await status('wrong-key')).toBe(401);
    for (const offset of offsets) {
      clock.set(offset);
      await settle();
    }
    await until(mint, 200);
    for (let i = 0; i < 4; i++) await status('wrong-key');
    const spent = await gateway.send('/', { headers: { 'x-api-key': 'wrong-key' } });
    expect(spent.status, 'the limit still holds').toBe(429);
    expect(Number(spent.headers['retry-after'])).toBeLessThanOrEqual(36);
  });

  it('set back and forward gives no key back what it spent, and keeps no other key waiting', async () => {
    const offsets = [-hour, 0, hour, 0];
    const names = ['spent', ...offsets.map((_, i) => `fresh-${i}`)];
    await open({}, names.map((name) => `${name}:${sha256Line(name)} rate=2/h burst=1\n`).join(''));
    for (const expected of [200, 200, 429]) expect(await status('spent')).toBe(expected);
    for (const [i, offset] of offsets.entries()) {
      clock.set(offset);
      await settle();
      for (const expected of [200, 200, 429]) expect(await status(`fresh-${i}`)).toBe(expected);
      const refused = await gateway.send('/', { headers: { 'x-api-key': 'spent' } });
      expect(refused.status, gateway.errorLog()).toBe(429);
      const seconds = Number(refused.headers['retry-after']);
      expect(seconds).toBeGreaterThan(1700);
      expect(seconds).toBeLessThanOrEqual(1800);
    }
  });

  it.each([-hour, hour])(
    'set by %i s takes up keys, revocations and the deny list long before the clock is right again',
    async (offset) => {
      await open();
      await until(() => status('alice-key'), 200);
      expect(await status('new-key')).toBe(401);
      clock.set(offset);
      await settle();
      writeKeys(`${keys}new-key\n`);
      await until(() => status('new-key'), 200);
      clock.set(0);
      await settle();
      writeKeys('new-key\n');
      await until(() => status('good-key'), 401);
      expect(await status('alice-key')).toBe(401);
      const { token } = (
        await gateway.send('/token', { method: 'POST', headers: { 'x-api-key': 'new-key' } })
      ).json() as unknown as { token: string };
      expect(await statusOf(token)).toBe(200);
      const { jti } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { jti: string };
      clock.set(offset);
      writeFileSync(join(dirname(gateway.keysFile), 'denied.txt'), `jti:${jti}\n`);
      clock.set(0);
      await until(() => statusOf(token), 401);
    },
  );

  it('ends and begins tokens by the calendar, and remembers no verdict past it', async () => {
    const jwksPath = join(mkdtempSync(join(tmpdir(), 'keygate-jwks-')), 'jwks.json');
    writeFileSync(jwksPath, JSON.stringify({ keys: [signer.publicJwk] }));
    await open({ JWKS_PATH: jwksPath, JWT_ISSUER: 'https://issuer.example' });
    const token = await signer.sign({ exp: inSeconds(600) });
    expect(await statusOf(token)).toBe(200);
    clock.set(hour);
    await until(() => statusOf(token), 401);
    clock.set(0);
    await until(() => statusOf(token), 200);
    expect((await gateway.send('/health/ready')).json()).toMatchObject({ status: 'ok' });
  });

  it('set back by an hour, a gateway still fetches the keys of an issuer that rotates them', async () => {
    const issuer = await startIssuer(authority, 'issuer.test', [signer]);
    closing.push(() => issuer.close());
    const jwt = { JWT_ISSUER: 'https://issuer.example', JWT_AUDIENCE: 'any' };
    await open({ JWKS_URL: issuer.url, JWKS_CA: authority.caFile, ...jwt });
    await until(async () => statusOf(await signer.sign()), 200);
    clock.set(-hour);
    issuer.signers.push(fresh);
    await settle();
    const early = { exp: inSeconds(300) }; // by the true time: issued and ending in the future of this clock
    await until(async () => statusOf(await fresh.sign(early)), 200);
    clock.set(0);
    await settle();
    expect(await statusOf(await fresh.sign())).toBe(200);
  }, 60000);

  it('does not keep bcrypt from being asked after the queue of the sidecar was full', async () => {
    await open();
    await until(() => status('alice-key'), 200);
    clock.set(hour);
    await settle();
    expect(await status('alice-key')).toBe(200);
    expect(await status('another-wrong-key')).toBe(401);
    clock.set(0);
    await settle();
    expect(await status('another-wrong-key')).toBe(401);
    writeKeys(`bob:${hashSync('another-wrong-key', 4)}\n`);
    await until(() => status('another-wrong-key'), 200);
  });
});
