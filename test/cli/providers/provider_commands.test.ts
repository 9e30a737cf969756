// An admin who sets up identity providers, and asks the built command why their tokens are refused.

import { spawn } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { selfSigned } from '../../gateway/harness/client_certificate.js';
import { makeAuthority } from '../../gateway/harness/issuer.js';
import { jwksOf, makeSigner, type Signer } from '../../gateway/harness/tokens.js';

const program = join(import.meta.dirname, '../../../dist/keygate_command.js');
const secret = 'token-of-the-api-server';
let signer: Signer;
let caFile = '';
let server: Server;
let base = '';
let dir = '';
/** What the issuer answers to a path, beside its usual answers. */
let answers: { [path: string]: (response: ServerResponse, request: IncomingMessage) => void } = {};

beforeAll(async () => {
  signer = await makeSigner('ES256', 'key-of-the-issuer');
  const authority = await makeAuthority();
  caFile = authority.caFile;
  server = createServer(await authority.issue('localhost'), (request, response) => {
    const answer = answers[request.url ?? ''];
    if (answer === undefined) response.writeHead(404).end();
    else answer(response, request);
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  base = `https://localhost:${(server.address() as AddressInfo).port}`;
});
afterAll(() => new Promise((closed) => server.close(closed)));

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'keygate-providers-'));
  writeFileSync(join(dir, 'keys.json'), jwksOf(signer));
  writeFileSync(join(dir, 'credential'), `${secret}\n`);
  answers = {
    '/keys': (response) => response.end(jwksOf(signer)),
    '/.well-known/openid-configuration': (response) =>
      response.end(
        JSON.stringify({
          issuer: base,
          jwks_uri: `${base}/keys`,
          id_token_signing_alg_values_supported: ['RS256', 'ES256', 'HS256', 'none', 'x\u001b[2J', 7],
        }),
      ),
  };
});

interface Ran {
  code: number | null;
  out: string;
  err: string;
}

function keygate(args: string[], input = '', env: { [name: string]: string } = {}): Promise<Ran> {
  const child = spawn(process.execPath, [program, ...args], {
    cwd: dir,
    env: { ...process.env, STATE_DIR: join(dir, 'state'), JWT_PROVIDERS: join(dir, 'providers.json'), ...env },
  });
  const ran = { out: '', err: '' };
  child.stdout.on('data', (part: Buffer) => (ran.out += part.toString()));
  child.stderr.on('data', (part: Buffer) => (ran.err += part.toString()));
  child.stdin.end(input);
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, ...ran })));
}

function describeProviders(...providers: object[]): void {
  const all = providers.map((one, i) => ({ name: `p${i}`, issuer: base, audience: 'any', ...one }));
  writeFileSync(join(dir, 'providers.json'), JSON.stringify({ providers: all }));
}

describe('keygate provider check', () => {
  it('says which keys of a file are used, and which are refused', async () => {
    const { privateKey, publicJwk } = await makeSigner('RS256', 'exposed');
    const keys = [
      signer.publicJwk,
      { ...publicJwk, ...(await exportJWK(privateKey)) },
      { ...publicJwk, kid: 'for-encryption', use: 'enc' },
      { kty: 'oct', k: 'c2VjcmV0', kid: 'shared' },
      { ...publicJwk, kid: 'small', n: 'A'.repeat(171), alg: undefined },
      'none',
    ];
    writeFileSync(join(dir, 'keys.json'), JSON.stringify({ keys }));
    describeProviders({ jwks: { file: 'keys.json' }, algorithms: ['ES256', 'PS256'] });
    const ran = await keygate(['provider', 'check']);
    expect(ran.code).toBe(0);
    expect(ran.out).toContain(`p0: ${join(dir, 'keys.json')}\n`);
    expect(ran.out).toContain('2 keys in use: key-of-the-issuer (EC P-256, ES256), exposed (RSA 2048, RS256)\n');
    expect(ran.out).toContain('refused: key 3 (for-encryption): use is not sig\n');
    expect(ran.out).toContain('refused: key 4 (shared): a symmetric key is never used here\n');
    expect(ran.out).toMatch(/refused: key 5 \(small\): /);
    expect(ran.out).toContain('refused: key 6: not an object\n');
    expect(ran.out).toContain('warning: key 2 (exposed): has private members');
    expect(ran.out).toContain('algorithms of its entry that it has no key for: PS256\n');
    for (const part of ['c2VjcmV0', publicJwk.n, (await exportJWK(privateKey)).d])
      expect(ran.out).not.toContain(part as string);
  });

  it('fetches keys from a URL, and from where metadata lead, and says which algorithms are refused', async () => {
    describeProviders(
      { name: 'url', issuer: 'https://a.example', jwks: { url: `${base}/keys` }, ca: caFile },
      { name: 'found', jwks: 'discover', ca: caFile, algorithms: ['ES256'] },
    );
    const ran = await keygate(['provider', 'check']);
    expect([ran.code, ran.err]).toEqual([0, '']);
    expect(ran.out).toContain(`url: ${base}/keys\n  1 key in use: key-of-the-issuer (EC P-256, ES256)\n`);
    expect(ran.out).toContain(`found: ${base}/.well-known/openid-configuration, ${base}/keys\n`);
    expect(ran.out).toContain('its algorithms that are never accepted: HS256, none, x?[2J\n');
    expect(ran.out).toContain('its algorithms that its entry leaves out: RS256\n');
    const one = await keygate(['--json', 'provider', 'check', 'url']);
    expect(JSON.parse(one.out)).toMatchObject({
      providers: [{ name: 'url', fault: null, used: [{ kid: 'key-of-the-issuer', type: 'EC P-256', alg: 'ES256' }] }],
    });
  });

  it('takes the metadata of OAuth where there is none of OpenID Connect', async () => {
    const issuer = `${base}/tenant`;
    answers = {
      '/keys': (response) => response.end(jwksOf(signer)),
      '/.well-known/oauth-authorization-server/tenant': (response) =>
        response.end(JSON.stringify({ issuer, jwks_uri: `${base}/keys` })),
    };
    describeProviders({ issuer, jwks: 'discover', ca: caFile });
    expect((await keygate(['provider', 'check'])).code).toBe(0);
  });

  it('shows the credential to the server, and to nobody else', async () => {
    const seen: (string | undefined)[] = [];
    answers['/keys'] = (response, { headers }) => {
      seen.push(headers.authorization);
      response.writeHead(headers.authorization === `Bearer ${secret}` ? 200 : 401).end(jwksOf(signer));
    };
    describeProviders({ jwks: { url: `${base}/keys` }, ca: caFile, credential: 'credential' });
    const ran = await keygate(['provider', 'check']);
    expect([ran.code, seen]).toEqual([0, [`Bearer ${secret}`]]);
    writeFileSync(join(dir, 'credential'), 'two words\n');
    const bad = await keygate(['provider', 'check']);
    expect([bad.code, seen.length]).toEqual([1, 1]);
    expect(bad.out).toContain('FAILED: credential: expected a token');
    for (const { out, err } of [ran, bad]) expect(out + err).not.toMatch(/token-of-the-api-server|two words/);
  });

  const metadata = (changed: object) => (response: ServerResponse) =>
    response.end(JSON.stringify({ issuer: base, jwks_uri: `${base}/keys`, ...changed }));
  const path = '/.well-known/openid-configuration';

  it.each([
    ['another issuer', () => (answers[path] = metadata({ issuer: `${base}/` })), 'expected the issuer'],
    ['keys over http', () => (answers[path] = metadata({ jwks_uri: 'http://localhost/keys' })), 'https://'],
    ['no metadata', () => (answers[path] = (response) => void response.end('<html>')), 'metadata:'],
    ['a redirect', () => (answers[path] = (r) => void r.writeHead(302, { location: '/keys' }).end()), '302'],
    ['10 MB', () => (answers[path] = (r) => void r.end(' '.repeat(10485760))), 'more than'],
    ['a key set that redirects', () => (answers['/keys'] = (r) => void r.writeHead(301).end()), '301'],
    ['a key set that is none', () => (answers['/keys'] = (r) => void r.end('[]')), 'not a JSON object'],
    ['no usable key', () => (answers['/keys'] = (r) => void r.end('{"keys":[]}')), 'no key that can be used'],
    ['text that is not UTF-8', () => (answers['/keys'] = (r) => void r.end(Buffer.from([0xff, 0xfe, 0x41]))), 'FAILED'],
  ] as [string, () => void, string][])('fails for an issuer with %s', async (_, change, said) => {
    change();
    describeProviders({ jwks: 'discover', ca: caFile });
    const ran = await keygate(['provider', 'check']);
    expect(ran.code).toBe(1);
    expect(ran.out).toContain('FAILED: ');
    expect(ran.out).toContain(said);
    expect(ran.out.split('').every((one) => one === '\n' || (one >= ' ' && one <= '~'))).toBe(true);
  });

  it('fails for a server whose certificate nobody vouches for, and for a file that is gone', async () => {
    describeProviders({ jwks: { url: `${base}/keys` } });
    expect((await keygate(['provider', 'check'])).out).toMatch(/FAILED: .*(?:certificate|CERT|ISSUER)/);
    describeProviders({ jwks: { file: 'gone.json' } });
    expect((await keygate(['provider', 'check'])).out).toContain('FAILED: ENOENT');
  });

  it('says what is wrong with the file, which provider is meant, and that there is a setting', async () => {
    describeProviders({ jwks: { file: 'keys.json' }, leeway: -1, nonsense: 1 });
    const faulty = await keygate(['provider', 'check']);
    expect(faulty.code).toBe(1);
    expect(faulty.err).toContain('providers[0].leeway: expected');
    expect(faulty.err).toContain('providers[0].nonsense: expected');
    writeFileSync(join(dir, 'providers.json'), '{"providers": [{"name": "a"},]}');
    expect((await keygate(['provider', 'check'])).err).toMatch(/: the file: expected JSON: .*"a"},\]/);
    describeProviders({ jwks: { file: 'keys.json' } });
    expect((await keygate(['provider', 'check', 'p9'])).err).toContain('there are p0');
    const unset = await keygate(['provider', 'check'], '', { JWT_PROVIDERS: '' });
    expect([unset.code, unset.err]).toEqual([1, expect.stringContaining('JWT_PROVIDERS is not set')]);
  });
});

describe('keygate token inspect, with providers', () => {
  const require = [
    { claim: 'groups', contains: 'llm-users' },
    { claim: 'email', matches: '*@corp.example' },
  ];

  it('says for each provider why not', async () => {
    describeProviders(
      { issuer: 'https://login.corp.example/', audience: ['llm'], jwks: { file: 'keys.json' }, require },
      { issuer: 'https://login.corp.example', audience: ['other'], jwks: { file: 'keys.json' } },
      { issuer: 'https://slash.example', jwks: { file: 'keys.json' }, algorithms: ['RS256'] },
      { issuer: 'https://free.example', jwks: { file: 'keys.json' }, subject: 'name' },
      { issuer: 'https://good.example', jwks: { file: 'keys.json' } },
    );
    const claims = { iss: 'https://login.corp.example/', aud: 'llm', groups: ['a'], email: 'x@corp.example' };
    const ran = await keygate(['token', 'inspect'], await signer.sign(claims));
    expect(ran.code).toBe(1);
    expect(ran.out).toContain('iss: "https://login.corp.example/"  of the provider p0\n');
    expect(ran.out).toContain('groups: ["a"]  see the provider below\n');
    expect(ran.out).toContain(
      'provider p0: its issuer; refused: token_require, require[0]: groups contains "llm-users"\n',
    );
    const near = 'provider p1: not its issuer (https://login.corp.example); but for that, refused: token_audience';
    expect(ran.out).toContain(`${near}, expected other\n`);
    expect(ran.out).toMatch(/provider p2: .*token_provider_algorithm, expected RS256\n/);
    expect(ran.out).toMatch(/provider p3: .*token_no_subject, expected in name\n/);
    expect(ran.out).toMatch(/provider p4: not its issuer .*but for that, admitted\n/);
    expect(ran.out).toContain('REFUSED: token_require');
    const good = await keygate(['token', 'inspect'], await signer.sign({ ...claims, groups: ['llm-users'] }));
    expect([good.code, good.out]).toEqual([
      0,
      expect.stringMatching(/provider p0: its issuer; admitted\n(?:.*\n)*ADMITTED/),
    ]);
  });

  it('fetches keys only when told, and says what it has not looked at', async () => {
    describeProviders({ jwks: 'discover', ca: caFile });
    const token = await signer.sign({ iss: base });
    const unfetched = await keygate(['token', 'inspect'], token);
    expect(unfetched.code).toBe(1);
    expect(unfetched.out).toContain(
      'provider p0: its issuer; its claims are accepted; the signature was not verified\n',
    );
    expect(unfetched.out).toContain('(keys of the provider p0 were not looked at: --fetch fetches them)');
    const fetched = await keygate(['token', 'inspect', '--fetch'], token);
    expect([fetched.code, fetched.out]).toEqual([0, expect.stringContaining('ADMITTED')]);
    for (const { out, err } of [unfetched, fetched]) expect(out + err).not.toContain(token.split('.')[2]);
    answers = {};
    const failed = await keygate(['token', 'inspect', '--fetch'], token);
    expect(failed.code).toBe(1);
    expect(failed.out).toContain('(keys of the provider p0: ');
  });

  it('takes the certificate that a token is bound to', async () => {
    const { cert, thumbprint } = await selfSigned({ name: 'carol' });
    const other = await selfSigned({ name: 'other' });
    writeFileSync(join(dir, 'carol.crt'), cert);
    writeFileSync(join(dir, 'other.crt'), other.cert);
    describeProviders({ jwks: { file: 'keys.json' } });
    const token = await signer.sign({ iss: base, cnf: { 'x5t#S256': thumbprint } });
    const inspect = (...args: string[]) => keygate(['token', 'inspect', ...args], token);
    expect((await inspect('--certificate', 'carol.crt')).code).toBe(0);
    for (const args of [[], ['--certificate', 'other.crt']]) {
      const ran = await inspect(...args);
      expect([ran.code, ran.out]).toEqual([1, expect.stringContaining('REFUSED: token_certificate')]);
      expect(ran.out).toMatch(/^cnf: .*refused: token_certificate$/m);
    }
    expect((await inspect('--certificate', 'keys.json')).err).toContain("can't use keys.json");
  });
});
