// An issuer behind a URL that rotates its keys, is slow, or fails.

import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startGateway, type Gateway } from './harness/gateway.js';
import { makeFetchedKeys, startIssuer } from './harness/issuer.js';
import type { Conduct, FetchedKeys, Issuer } from './harness/issuer.js';
import { jwksOf, makeSigner, type Signer } from './harness/tokens.js';
import { variants, type Variant } from './harness/variants.js';

const windowMs = 10000;
const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const soon = { timeout: 60000, interval: 200 };

let made: FetchedKeys;
let known: Signer;
let fresh: Signer;

beforeAll(async () => {
  made = await makeFetchedKeys();
  ({ known, fresh } = made);
});

afterAll(() => made?.close());

async function openIssuer(host = 'issuer.test'): Promise<Issuer> {
  const issuer = await startIssuer(made.authority, host, [known]);
  made.opened.push(() => issuer.close());
  return issuer;
}

interface Opening {
  env?: { [name: string]: string };
  sidecar?: boolean;
  workers?: number;
}

async function openGateway(variant: Variant, issuer: Issuer, opening: Opening = {}): Promise<Gateway> {
  const { sidecar = false, workers = 1 } = opening;
  const env = {
    JWKS_URL: issuer.url,
    JWKS_CA: made.authority.caFile,
    JWT_ISSUER: 'https://issuer.example',
    JWT_AUDIENCE: 'any',
    ...opening.env,
  };
  const keys = 'minter\n';
  const gateway = await startGateway({ variant, env, keys, sidecar, workers, resolver: made.names.address });
  made.opened.unshift(() => gateway.stop());
  return gateway;
}

async function statusOf(gateway: Gateway, signer: Signer): Promise<number> {
  const answer = await gateway.send('/v1/models', bearer(await signer.sign({ jti: `${Math.random()}` })));
  return answer.status;
}

async function readyOf(gateway: Gateway): Promise<unknown> {
  return (await gateway.send('/health/ready')).json()['components'];
}

const faults: [fault: string, logged: string][] = [
  ['refused', 'JWKS_URL: connection refused, or no way to the host'],
  ['unresolved', 'could not be resolved (3: Host not found)'],
  ['silent', 'JWKS_URL: read timed out'],
  ['redirect', 'JWKS_URL: expected status 200, got 302'],
  ['huge', 'JWKS_URL: '],
  ['truncated', 'JWKS_URL: prematurely closed connection'],
  ['html', 'JWKS_URL: not a JSON object with an array "keys"'],
  ['error', 'JWKS_URL: expected status 200, got 500'],
  ['no usable key', 'JWKS_URL: no usable key'],
  ['expired certificate', 'JWKS_URL: TLS handshake failed: certificate expired'],
  ['other host', 'JWKS_URL: TLS handshake failed: certificate expired, of another host'],
];

async function begin(fault: string, issuer: Issuer): Promise<void> {
  if (fault === 'refused') await issuer.down();
  else if (fault === 'unresolved') made.names.gone.add(new URL(issuer.url).hostname);
  else issuer.conduct(fault as Conduct);
}

async function end(fault: string, issuer: Issuer): Promise<void> {
  if (fault === 'refused') await issuer.up();
  else if (fault === 'unresolved') made.names.gone.delete(new URL(issuer.url).hostname);
  else issuer.conduct('well');
}

/** @returns how many milliseconds the admission of a known token took */
async function admit(gateway: Gateway, at: string): Promise<number> {
  const startedMs = Date.now();
  expect(await statusOf(gateway, known), at).toBe(200);
  return Date.now() - startedMs;
}

async function goThrough(variant: Variant, fault: string, logged: string): Promise<void> {
  const issuer = await openIssuer(`${fault.replace(/ /g, '-')}-${variants.indexOf(variant)}.test`);
  const gateway = await openGateway(variant, issuer, { env: { JWKS_TTL: '10' } });
  const at = `${variant.name}, ${fault}`;
  await vi.waitFor(async () => expect(await statusOf(gateway, known), at).toBe(200), soon);
  await begin(fault, issuer);
  await vi.waitFor(() => expect(gateway.errorLog(), at).toContain(logged), soon);
  const unknown: number[] = [];
  for (let i = 0; i < 30 && unknown.at(-1) !== 503; i++) {
    // It waits for no fetch, which would take 2 s; a busy machine may take as long once.
    expect(Math.min(await admit(gateway, at), await admit(gateway, at)), at).toBeLessThan(1900);
    unknown.push(await statusOf(gateway, fresh));
    await pause(500);
  }
  expect(unknown.at(-1), at).toBe(503);
  expect(unknown.slice(0, -1).every((status) => status === 401)).toBe(true); // while the last success is young
  expect(await readyOf(gateway), at).toMatchObject({ jwks: 'degraded' });
  expect(gateway.errorLog().split(logged).length, at).toBeLessThan(4); // once a minute, and once by nginx
  issuer.signers = [known, fresh];
  await end(fault, issuer);
  await vi.waitFor(async () => expect(await readyOf(gateway), at).toMatchObject({ jwks: 'ok' }), soon);
  expect(await statusOf(gateway, fresh), at).toBe(200);
  expect(gateway.errorLog()).toContain('keygate: remote: recovered');
  await gateway.stop();
}

// A busy machine may take longer than a request waits for a fetch.
const timing = { timeout: 240000, retry: 2 };

describe.concurrent.each(variants)('$name: JWKS_URL', (variant) => {
  const staggerMs = variants.indexOf(variant) * 3500; // the combinations put load on the machine one after the other

  it('keeps the last good keys through every fault of the issuer, says why, and recovers', timing, async () => {
    await Promise.all(faults.map(([fault, logged]) => goThrough(variant, fault, logged)));
  });

  it('starts while the issuer is down, and takes its keys up when it is there', async () => {
    const issuer = await openIssuer();
    await issuer.down();
    const gateway = await openGateway(variant, issuer);
    const answer = await gateway.send('/', bearer(await known.sign()));
    expect(answer.status).toBe(503);
    expect(answer.headers['retry-after']).toBe('1');
    expect(answer.json().error).toMatchObject({ type: 'overloaded_error', code: 'keys_unavailable' });
    expect((await gateway.send('/', { headers: { 'x-api-key': 'minter' } })).status).toBe(200);
    await issuer.up();
    await vi.waitFor(async () => expect(await statusOf(gateway, known)).toBe(200), soon);
  }, 240000);

  it('takes up a rotation under load without refusing anybody, with one fetch a window', timing, async () => {
    const issuer = await openIssuer();
    const gateway = await openGateway(variant, issuer, { workers: 2 });
    await vi.waitFor(async () => expect(await statusOf(gateway, known)).toBe(200), soon);
    const statuses: { [status: number]: number } = {};
    const signers = [known];
    let isOver = false;
    const client = async (i: number) => {
      for (let n = i; !isOver; n++) {
        const status = await statusOf(gateway, signers[n % signers.length] as Signer);
        statuses[status] = (statuses[status] ?? 0) + 1;
        await pause(20);
      }
    };
    await pause(windowMs + staggerMs);
    const clients = [1, 2, 3, 4, 5, 6].map(client);
    await pause(500);
    const fetchedBefore = issuer.fetched.length;
    issuer.signers = [known, fresh];
    signers.push(fresh);
    await pause(2000);
    isOver = true;
    await Promise.all(clients);
    expect(Object.keys(statuses)).toEqual(['200']);
    expect(issuer.fetched.length - fetchedBefore).toBe(1);

    const stranger = await makeSigner('ES256', 'stranger');
    const refused = await Promise.all(Array.from({ length: 20 }, () => statusOf(gateway, stranger)));
    expect(refused.every((status) => status === 401)).toBe(true);
    expect(issuer.fetched.length - fetchedBefore).toBe(1);
  });

  it('lets at most 32 requests of a worker wait, for 2 s, and none with a known kid', timing, async () => {
    const issuer = await openIssuer();
    const gateway = await openGateway(variant, issuer);
    await vi.waitFor(async () => expect(await statusOf(gateway, known)).toBe(200), soon);
    await pause(windowMs + staggerMs + 1500);
    issuer.conduct('silent');
    const logged = () => [...gateway.accessLog().matchAll(/"status":503.*"seconds":([\d.]+)/g)];
    const before = logged().length; // the start's
    const waiting = Array.from({ length: 80 }, () => statusOf(gateway, fresh));
    const whileWaiting = await statusOf(gateway, known);
    const statuses = await Promise.all(waiting);
    expect(whileWaiting).toBe(200);
    expect(statuses.every((status) => status === 503)).toBe(true);
    await vi.waitFor(() => expect(logged().length).toBeGreaterThanOrEqual(before + 80), soon);
    const seconds = logged()
      .slice(before)
      .map(([, one]) => Number(one));
    expect(Math.max(...seconds)).toBeLessThan(4);
    const waited = seconds.filter((one) => one > 0.7).length; // the fetch that all wait for fails after 0.8 s
    expect(waited).toBeGreaterThan(5);
    expect(waited).toBeLessThanOrEqual(32);
    // The one that wants it may meet a listener that has just gone
    expect(issuer.fetched.length).toBeLessThanOrEqual(2);
  });

  it('gives up keys that are older than JWKS_MAX_STALE', async () => {
    const issuer = await openIssuer();
    const gateway = await openGateway(variant, issuer, { env: { JWKS_TTL: '10', JWKS_MAX_STALE: '0' } });
    await vi.waitFor(async () => expect(await statusOf(gateway, known)).toBe(200), soon);
    issuer.conduct('error');
    await vi.waitFor(async () => expect(await statusOf(gateway, known)).toBe(503), soon);
    expect(gateway.errorLog()).toContain('older than JWKS_MAX_STALE');
    expect(await readyOf(gateway)).toMatchObject({ jwks: 'failing' });
    issuer.conduct('well');
    await vi.waitFor(async () => expect(await statusOf(gateway, known)).toBe(200), soon);
  }, 240000);

  it('trusts local, remote and minting keys side by side, each for its own issuers', async () => {
    const jwksPath = join(mkdtempSync(join(tmpdir(), 'keygate-jwks-')), 'jwks.json');
    const twin = await makeSigner('ES256', 'known'); // another key, the same kid
    writeFileSync(jwksPath, jwksOf(twin));
    const issuer = await openIssuer();
    const gateway = await openGateway(variant, issuer, { env: { JWKS_PATH: jwksPath }, sidecar: true });
    await vi.waitFor(async () => expect(await statusOf(gateway, known)).toBe(200), soon);
    expect(await statusOf(gateway, twin)).toBe(200);
    const minted = await gateway.send('/token', { method: 'POST', headers: { 'x-api-key': 'minter' } });
    const { token, kid } = minted.json() as unknown as { token: string; kid: string };
    expect((await gateway.send('/', bearer(token))).status).toBe(200);
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as object;
    const forged = [
      await known.sign({ ...claims }),
      await known.sign({ ...claims }, { kid }),
      await known.sign({}, { jku: issuer.url, kid: 'elsewhere' }),
      await fresh.sign({}, { jwk: fresh.publicJwk, kid: 'known' }),
      await fresh.sign({}, { jwk: fresh.publicJwk, jku: issuer.url, x5u: issuer.url, x5c: ['AAAA'] }),
    ];
    const fetchedBefore = issuer.fetched.length;
    for (const one of forged) expect((await gateway.send('/', bearer(one))).status, one).toBe(401);
    expect(issuer.fetched.length).toBe(fetchedBefore);
  }, 240000);

  it('drops the keys of an issuer that a reload takes away', async () => {
    const issuer = await openIssuer();
    const gateway = await openGateway(variant, issuer);
    await vi.waitFor(async () => expect(await statusOf(gateway, known)).toBe(200), soon);
    const settings = join(gateway.dir, 'nginx/keygate/settings.conf');
    const without = readFileSync(settings, 'utf8').replace(issuer.url, '');
    writeFileSync(settings, without);
    gateway.nginx.reload();
    await vi.waitFor(async () => expect(await statusOf(gateway, known)).toBe(401), soon);
  }, 240000);
});
