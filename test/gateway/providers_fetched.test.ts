// Identity providers whose keys are fetched: from a URL, by discovery, and from a private API server. Each goes stale,
// refreshes and fails alone.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { startGateway, type Gateway } from './harness/gateway.js';
import { makeAuthority, makeFetchedKeys, type Authority, type FetchedKeys } from './harness/issuer.js';
import { startProviderServer, type ProviderServer } from './harness/provider_server.js';
import type { Signer } from './harness/tokens.js';
import { describeAtOnce, variants, type Variant } from './harness/variants.js';

const soon = { timeout: 60000, interval: 200 };
const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

let made: FetchedKeys;
let other: Authority;
let known: Signer;
let fresh: Signer;

beforeAll(async () => {
  made = await makeFetchedKeys();
  ({ known, fresh } = made);
  other = await makeAuthority();
});

afterAll(() => made?.close());

async function openServer(host: string, by = made.authority): Promise<ProviderServer> {
  const server = await startProviderServer(by, host);
  made.opened.push(() => server.close());
  server.serve(known);
  return server;
}

const entryOf = (name: string, server: ProviderServer, more: object = {}) => ({
  name,
  issuer: [server.origin],
  audience: 'any',
  jwks: 'discover',
  ...more,
});

interface Opening {
  providers: object[];
  sidecar?: boolean;
  files?: { [name: string]: string };
}

async function open(variant: Variant, { providers, sidecar = false, files = {} }: Opening): Promise<Gateway> {
  const dir = mkdtempSync(join(tmpdir(), 'keygate-providers-'));
  writeFileSync(join(dir, 'providers.json'), JSON.stringify({ providers }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
  const env = { JWT_PROVIDERS: join(dir, 'providers.json'), JWKS_CA: made.authority.caFile };
  const gateway = await startGateway({ variant, env, keys: 'plain\n', sidecar, resolver: made.names.address });
  made.opened.unshift(async () => {
    await gateway.stop();
    rmSync(dir, { recursive: true, force: true });
  });
  return gateway;
}

async function statusOf(gateway: Gateway, signer: Signer, server: { origin: string }): Promise<number> {
  const token = await signer.sign({ iss: server.origin, jti: `${Math.random()}` });
  return (await gateway.send('/v1/models', bearer(token))).status;
}

describeAtOnce('keys of providers that are fetched', (variant) => {
  it('are found by URL, by OpenID Connect and by OAuth metadata, and refreshed for one provider alone', async () => {
    const byUrl = await openServer('url.test');
    const discovered = await openServer('discovered.test');
    const oauth = await openServer('oauth.test');
    const issuer = `${oauth.origin}/tenant/`;
    delete oauth.answers['/.well-known/openid-configuration'];
    oauth.answers['/.well-known/oauth-authorization-server/tenant'] = JSON.stringify({
      issuer,
      jwks_uri: `${oauth.origin}/keys`,
    });
    const providers = [
      entryOf('by-url', byUrl, { jwks: { url: `${byUrl.origin}/keys` } }),
      entryOf('discovered', discovered),
      entryOf('oauth', oauth, { issuer: [issuer] }),
    ];
    const gateway = await open(variant, { providers });
    for (const origin of [byUrl.origin, discovered.origin, issuer])
      await vi.waitFor(async () => expect(await statusOf(gateway, known, { origin })).toBe(200), soon);
    expect(oauth.asked).toContain('/tenant/.well-known/openid-configuration');
    const before = [byUrl.asked.length, oauth.asked.length];
    await new Promise((resolve) => setTimeout(resolve, 10500)); // the window in which nothing is fetched again
    discovered.serve(known, fresh);
    await vi.waitFor(async () => expect(await statusOf(gateway, fresh, discovered)).toBe(200), soon);
    expect([byUrl.asked.length, oauth.asked.length]).toEqual(before);
    expect(await statusOf(gateway, known, discovered)).toBe(200);
  }, 120000);

  it('fail alone, each with its reason in the log', async () => {
    const good = await openServer('good.test');
    const metadata = '/.well-known/openid-configuration';
    const say = (one: ProviderServer, issuer: string, jwksUrl = `${one.origin}/keys`) =>
      (one.answers[metadata] = JSON.stringify({ issuer, jwks_uri: jwksUrl }));
    const huge = JSON.stringify({ issuer: 'x', padding: 'x'.repeat(10000000) });
    const leadTo = (one: ProviderServer, location: string) =>
      (one.answers[metadata] = (_, response) => response.writeHead(302, { location }).end());
    const faults: [name: string, spoil: (server: ProviderServer) => void, logged: string][] = [
      ['stranger', (one) => say(one, good.origin), 'metadata: expected the issuer https://stranger-'],
      ['slash', (one) => say(one, `${one.origin}/`), 'metadata: expected the issuer https://slash-'],
      [
        'plain',
        (one) => say(one, one.origin, 'http://plain.test/keys'),
        'metadata: expected a jwks_uri that starts with',
      ],
      ['huge', (one) => (one.answers[metadata] = huge), 'provider huge: '],
      ['deep', (one) => (one.answers[metadata] = '['.repeat(100000)), 'provider deep: metadata: '],
      ['loop', (one) => leadTo(one, `${one.origin}${metadata}`), 'provider loop: expected status 200, got 302'],
      ['away', (one) => leadTo(one, `${good.origin}${metadata}`), 'provider away: expected status 200, got 302'],
      ['keyless', (one) => (one.answers['/keys'] = '{"keys":[]}'), 'provider keyless: no usable key'],
    ];
    const servers = await Promise.all(faults.map(([name]) => openServer(`${name}-${variants.indexOf(variant)}.test`)));
    faults.forEach(([, spoil], i) => spoil(servers[i] as ProviderServer));
    const providers = faults.map(([name], i) => entryOf(name, servers[i] as ProviderServer));
    const gateway = await open(variant, { providers: [...providers, entryOf('good', good)] });
    await vi.waitFor(async () => expect(await statusOf(gateway, known, good)).toBe(200), soon);
    for (const [name, , logged] of faults)
      await vi.waitFor(() => expect(gateway.errorLog(), name).toContain(logged), soon);
    for (const server of servers) expect(await statusOf(gateway, known, server), server.origin).toBe(503);
    expect(await statusOf(gateway, known, good)).toBe(200);
    expect((await gateway.send('/health/ready')).json()).toMatchObject({ components: { jwks: 'failing' } });
    servers.forEach((server) => server.serve(known));
    for (const server of servers)
      await vi.waitFor(async () => expect(await statusOf(gateway, known, server)).toBe(200), soon);
  }, 120000);

  it('come from a private API server, by name or by IP address, behind a credential', async () => {
    const guarded = async (host: string) => {
      const server = await openServer(host, other);
      const keys = server.answers['/keys'] as string;
      server.answers['/keys'] = (request, response) => {
        const isKnown = request.headers.authorization === 'Bearer token-of-a-file';
        response.writeHead(isKnown ? 200 : 401).end(isKnown ? keys : '');
      };
      return server;
    };
    const byName = await guarded('localhost');
    const byAddress = await guarded('127.0.0.1');
    const untrusted = await openServer('127.0.0.1', other);
    const without = await guarded('127.0.0.1');
    const priv = { ca: 'ca.crt', credential: 'token' };
    const gateway = await open(variant, {
      providers: [
        entryOf('by-name', byName, priv),
        entryOf('by-address', byAddress, priv),
        entryOf('untrusted', untrusted),
        entryOf('without', without, { ca: 'ca.crt' }),
      ],
      files: { 'ca.crt': readFileSync(other.caFile, 'utf8'), token: 'token-of-a-file\n' },
      sidecar: true,
    });
    for (const server of [byName, byAddress])
      await vi.waitFor(async () => expect(await statusOf(gateway, known, server)).toBe(200), soon);
    await vi.waitFor(
      () => expect(gateway.errorLog()).toContain('provider without: expected status 200, got 401'),
      soon,
    );
    await vi.waitFor(() => expect(gateway.errorLog()).toMatch(/provider untrusted: .*certificate/), soon);
    expect(await statusOf(gateway, known, untrusted)).toBe(503);
    expect(gateway.errorLog() + (gateway.sidecar?.log() ?? '')).not.toContain('token-of-a-file');
  }, 120000);
});
