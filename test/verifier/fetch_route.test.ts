// nginx asks the sidecar for keys; and somebody on its socket would like to have more fetched, or to see a credential.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { metadataUrls } from '../../auth/discovery.js';
import { fetchForProvider, fetchSchema } from '../../verifier/fetch_route.js';
import { makeAuthority } from '../gateway/harness/issuer.js';

const dir = mkdtempSync(join(tmpdir(), 'keygate-fetch-route-'));
const secret = 'token-of-the-api-server';
const bearer = `Bearer ${secret}`;
const unknown = { fault: 'JWT_PROVIDERS of the sidecar has no such entry' };
const elsewhere = { fault: 'the entry does not lead to this URL' };

/** What came, at which of the two servers. */
let seen: { at: string; path: string; authorization: string | undefined }[] = [];
let authorityFile = '';
const servers: Server[] = [];
let issuer = '';
let other = '';

beforeAll(async () => {
  const authority = await makeAuthority();
  authorityFile = authority.caFile;
  const start = async (at: string) => {
    const server = createServer(await authority.issue('localhost'), ({ url = '', headers }, response) => {
      seen.push({ at, path: url, authorization: headers.authorization });
      response.end(`{"at":"${at}"}`);
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    servers.push(server);
    return `https://localhost:${(server.address() as AddressInfo).port}`;
  };
  [issuer, other] = [await start('issuer'), await start('other')];
  mkdirSync(join(dir, 'secrets'));
  writeFileSync(join(dir, 'secrets', 'token'), `${secret}\n`);
  writeFileSync(join(dir, 'ca.crt'), readFileSync(authorityFile));
});

afterAll(async () => {
  for (const server of servers) await new Promise((closed) => (server.close(closed), server.closeAllConnections()));
  rmSync(dir, { recursive: true, force: true });
});

beforeEach(() => {
  seen = [];
});

const jwtProviders = join(dir, 'providers.json');
const credential = 'secrets/token';
const describeProviders = (...changed: object[]) => {
  const providers = changed.map((one, i) => ({
    name: `p${i}`,
    issuer: `https://i${i}.example`,
    audience: 'any',
    ...one,
  }));
  writeFileSync(jwtProviders, JSON.stringify({ providers }));
};
const ask = (url: string, provider = 'p0', changed: object = {}) =>
  fetchForProvider(
    { jwtProviders, jwtIssuer: undefined, mintIssuer: 'keygate', jwksCa: authorityFile, ...changed },
    { provider, url },
  );

describe('fetchForProvider, for keys at a URL', () => {
  it('fetches with the certificate authorities and the credential of the entry, beside the file', async () => {
    describeProviders({ jwks: { url: `${issuer}/keys?a=b` }, ca: 'ca.crt', credential });
    expect(await ask(`${issuer}/keys?a=b`, 'p0', { jwksCa: undefined })).toEqual({ text: '{"at":"issuer"}' });
    expect(seen).toEqual([{ at: 'issuer', path: '/keys?a=b', authorization: bearer }]);
  });

  it('takes the authorities of JWKS_CA where the entry has none, and shows no credential that it has not', async () => {
    describeProviders(
      { jwks: { url: `${issuer}/keys` }, credential },
      { jwks: { url: `${issuer}/keys` }, ca: 'ca.crt' },
    );
    expect(await ask(`${issuer}/keys`)).toHaveProperty('text');
    expect(await ask(`${issuer}/keys`, 'p1')).toHaveProperty('text');
    expect(seen.map(({ authorization }) => authorization)).toEqual([bearer, undefined]);
    const untrusted = await ask(`${issuer}/keys`, 'p0', { jwksCa: undefined });
    expect(untrusted).toEqual({ fault: expect.stringMatching(/certificate/i) as string });
    expect(seen).toHaveLength(2);
  });

  it('fetches from no other URL', async () => {
    describeProviders({ jwks: { url: `${issuer}/keys` }, ca: 'ca.crt', credential });
    const near = ['/keys/', '/keys?', '/', '/Keys', '/keys#', '/keys/../keys', '/.well-known/openid-configuration'];
    const urls = [...near.map((path) => issuer + path), `${other}/keys`, 'file:///etc/passwd', '', 'http://127.0.0.1/'];
    for (const url of urls) expect(await ask(url), url).toEqual(elsewhere);
    expect(seen).toEqual([]);
  });

  it('fetches for a server by its IP address without more, and for no other that nginx can ask', async () => {
    describeProviders(
      { jwks: { url: 'https://127.0.0.1:1/keys' } },
      { jwks: { url: `${issuer}/keys` } },
      { jwks: { file: 'keys.json' } },
      { jwks: 'discover', issuer },
    );
    expect(await ask('https://127.0.0.1:1/keys')).toEqual({ fault: expect.stringContaining('ECONNREFUSED') as string });
    expect(await ask(`${issuer}/keys`, 'p1')).toEqual(unknown);
    expect(await ask(`${issuer}/keys`, 'p2')).toEqual(unknown);
    for (const url of metadataUrls(issuer)) expect(await ask(url, 'p3')).toEqual(unknown);
    expect(seen).toEqual([]);
  });
});

describe('fetchForProvider, for keys that are discovered', () => {
  it('fetches metadata and what they name, with the credential where the own authorities vouch for both', async () => {
    describeProviders({ jwks: 'discover', issuer: [`${issuer}/t`, 'https://b.example'], ca: 'ca.crt', credential });
    const urls = [...metadataUrls(`${issuer}/t`), `${other}/keys`];
    for (const url of urls) expect(await ask(url), url).toHaveProperty('text');
    expect(seen.map(({ at, authorization }) => [at, authorization])).toEqual([
      ['issuer', bearer],
      ['issuer', bearer],
      ['other', bearer],
    ]);
  });

  it("shows the credential to the issuer's origin alone where no own authorities vouch", async () => {
    describeProviders({ jwks: 'discover', issuer: [issuer, other], credential });
    const [metadata = ''] = metadataUrls(issuer);
    for (const url of [metadata, `${issuer}/keys`, `${other}/keys`, issuer.replace('localhost', 'LOCALHOST')])
      expect(await ask(url), url).toHaveProperty('text');
    expect(seen.map(({ at, authorization }) => [at, authorization])).toEqual([
      ['issuer', bearer],
      ['issuer', bearer],
      ['other', undefined],
      ['issuer', bearer],
    ]);
  });

  it.each(['https://localhost:99999/keys', 'https://1.2.3.999/', 'https://[:::]/'])(
    'has a fault, and no exception, for metadata that name %s',
    async (url) => {
      describeProviders({ jwks: 'discover', issuer, credential });
      expect(await ask(url)).toEqual({ fault: expect.stringContaining('ERR_INVALID_URL') as string });
    },
  );

  it('fetches metadata of an issuer whose path is as long as it may be', async () => {
    const long = `${issuer}/${'p'.repeat(200)}`;
    describeProviders({ jwks: 'discover', issuer: long, ca: 'ca.crt' });
    for (const url of metadataUrls(long)) expect(await ask(url)).toHaveProperty('text');
  });

  it('fetches by https alone', async () => {
    describeProviders({ jwks: 'discover', issuer, ca: 'ca.crt', credential });
    const http = issuer.replace('https', 'http');
    for (const url of [
      http,
      'file:///etc/passwd',
      '',
      issuer.replace('//', '//a:b@'),
      `${issuer}/#a`,
      `${issuer}/\r\nX: 1`,
    ])
      expect(await ask(url), url).toEqual(elsewhere);
    expect(seen).toEqual([]);
  });
});

describe('fetchForProvider', () => {
  it.each(['', 'P0', 'p1', '__proto__', 'constructor', 'any'])('knows no provider %j', async (provider) => {
    describeProviders({ jwks: { url: `${issuer}/keys` }, ca: 'ca.crt' });
    expect(await ask(`${issuer}/keys`, provider)).toEqual(unknown);
    expect(seen).toEqual([]);
  });

  it('knows no provider without a good file, and takes up a changed one at once', async () => {
    const entry = { jwks: { url: `${issuer}/keys` }, ca: 'ca.crt' };
    describeProviders(entry);
    expect(await ask(`${issuer}/keys`, 'p0', { jwtProviders: undefined })).toEqual(unknown);
    expect(await ask(`${issuer}/keys`, 'p0', { jwtIssuer: 'https://i0.example' })).toEqual(unknown);
    expect(await ask(`${issuer}/keys`, 'p0', { mintIssuer: 'https://i0.example' })).toEqual(unknown);
    describeProviders({ ...entry, leeway: -1 });
    expect(await ask(`${issuer}/keys`)).toEqual(unknown);
    expect(seen).toEqual([]);
    describeProviders({ ...entry, jwks: { url: `${issuer}/new` } });
    expect(await ask(`${issuer}/keys`)).toEqual(elsewhere);
    expect(await ask(`${issuer}/new`)).toHaveProperty('text');
  });

  it('asks nobody where a file of the entry is gone', async () => {
    describeProviders(
      { jwks: { url: `${issuer}/keys` }, ca: 'gone.crt' },
      { jwks: { url: `${issuer}/keys` }, ca: 'ca.crt', credential: 'gone' },
    );
    expect(await ask(`${issuer}/keys`)).toEqual({ fault: 'ca: ENOENT' });
    expect(await ask(`${issuer}/keys`, 'p1')).toEqual({ fault: 'credential: ENOENT' });
    expect(seen).toEqual([]);
  });
});

describe('fetchSchema', () => {
  const fits = new Ajv().compile(fetchSchema);

  it.each([{}, { provider: 'a' }, { url: 'b' }, { provider: 1, url: 'b' }, { provider: 'a', url: ['b'] }, [], null])(
    'takes no %j for a question',
    (question) => {
      expect(fits(question)).toBe(false);
    },
  );

  it('bounds both texts', () => {
    expect(fits({ provider: 'a'.repeat(64), url: 'b'.repeat(2048) })).toBe(true);
    expect(fits({ provider: 'a'.repeat(65), url: 'b' })).toBe(false);
    expect(fits({ provider: 'a', url: 'b'.repeat(2049) })).toBe(false);
  });
});
