// The sidecar's server over a Unix socket, with its real pool of threads.

import { execFileSync } from 'node:child_process';
import { hashSync } from '@node-rs/bcrypt';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openBcryptPool, type BcryptPool } from '../../verifier/bcrypt/bcrypt_pool.js';
import { makeCheckKey } from '../../verifier/keys/check_key.js';
import { sidecarMediaType as contentType } from '../../auth/key_record.js';
import { openKeyStore } from '../../verifier/keys/key_store.js';
import { openLastUsed } from '../../verifier/last_used.js';
import { buildServer, type Sidecar } from '../../verifier/server.js';
import { ensureSigningKey, openSigningKeys } from '../../verifier/signing/signing_keys.js';
import { builtWorker } from './bcrypt/built_worker.js';

const silent = { error: () => undefined, warn: () => undefined, info: () => undefined };
const dir = mkdtempSync(join(tmpdir(), 'keygate-sidecar-'));
const keysFile = join(dir, 'api_keys.txt');
const socketPath = join(dir, 'verifier.sock');
const bcrypt = hashSync('hashed-key', 4);
const named = `kg_Ab3dE6gH_${'s'.repeat(43)}`;
const keys =
  `alice:${bcrypt} scope=models,chat\nplain-key\nbob:${hashSync(named, 4)} ` +
  `id=Ab3dE6gH\nold:${hashSync('old-key', 4)} expires=2020-01-01\n`;

let pool: BcryptPool;
let sidecar: Sidecar;
let server: ReturnType<typeof buildServer>;

beforeAll(async () => {
  pool = openBcryptPool({ threads: 2, queue: 2, patienceMs: 1600, worker: builtWorker });
  writeFileSync(keysFile, keys);
  await ensureSigningKey(dir, 'ES256');
  sidecar = {
    keys: openKeyStore({
      path: keysFile,
      apiKey: '',
      apiKeys: 'environment-key',
      snapshotPath: undefined,
      entrySecret: 'secret',
      maxStaleSeconds: 3600,
      log: silent,
    }),
    checkKey: makeCheckKey(pool),
    signingKey: openSigningKeys(dir, 3600),
    entrySecret: 'secret',
    mintIssuer: 'keygate',
    mintAudience: 'copilot-api',
    maxTtlSeconds: 3600,
    secret: undefined,
    fetching: { jwtProviders: undefined, jwtIssuer: undefined, mintIssuer: 'keygate', jwksCa: undefined },
    lastUsed: openLastUsed(dir, () => undefined),
    measured: pool.measured,
    minted: 0,
    cluster: undefined,
  };
  server = buildServer(sidecar, false);
  await server.listen({ path: socketPath });
});

afterAll(async () => {
  await server.close();
  await pool.close();
  rmSync(dir, { recursive: true, force: true });
});

beforeEach(() => writeFileSync(keysFile, keys));

type Answer = { [name: string]: unknown };

function send(path: string, body: string | object, headers: { [name: string]: string } = {}, method = 'POST') {
  return new Promise<{ status: number; type: string | undefined; json: Answer }>((resolve, reject) => {
    const sent = request(
      { socketPath, path, method, headers: { 'content-type': contentType, ...headers } },
      (response) => {
        let text = '';
        response.on('data', (part: Buffer) => (text += part.toString()));
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            type: response.headers['content-type'],
            json: JSON.parse(text || '{}') as Answer,
          }),
        );
      },
    );
    sent.on('error', reject);
    sent.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
}

const verify = async (credential: string, generation = '') => (await send('/verify', { credential, generation })).json;

describe('POST /verify', () => {
  it.each([
    ['a bcrypt key', 'hashed-key', 'alice'],
    ['a generated bcrypt key', named, 'bob'],
    ['a plaintext key', 'plain-key', /^key-[\w-]{8}$/],
    ['a key of the environment', 'environment-key', /^key-/],
  ])('admits %s', async (_, credential, subject) => {
    const answer = await verify(credential);
    expect(answer).toMatchObject({
      admitted: true,
      entry: { expiresSeconds: null, limit: null },
    });
    expect((answer['entry'] as Answer)['subject']).toEqual(
      typeof subject === 'string' ? subject : expect.stringMatching(subject),
    );
  });

  it.each([
    ['unknown_key', 'wrong-key'],
    ['unknown_key', `kg_Ab3dE6gH_${'t'.repeat(43)}`],
    ['unknown_key', 'k'.repeat(73)],
    ['unknown_key', 'hashed-key\0'],
    ['unknown_key', ''],
    ['expired_key', 'old-key'],
  ])('refuses with %s', async (reason, credential) => {
    const answer = await verify(credential);
    expect(answer).toMatchObject({ admitted: false, reason });
    const named = (answer['entry'] as Answer | undefined)?.['subject'];
    expect(named).toBe(reason === 'expired_key' ? 'old' : undefined);
  });

  it('does not let a key of over 72 bytes in by its first 72', async () => {
    const key = 'k'.repeat(72);
    writeFileSync(keysFile, hashSync(key, 4));
    expect(await verify(key, 'other')).toMatchObject({ admitted: true });
    expect(await verify(`${key}x`, 'other')).toMatchObject({ admitted: false });
  });

  it('answers with the generation that it used, and reads the file anew for another', async () => {
    const first = await verify('plain-key');
    expect(first['generation']).toMatch(/^[\w-]{22}$/);
    writeFileSync(keysFile, `${keys}another-key\n`);
    const second = await verify('another-key', 'nginx-is-further');
    expect(second).toMatchObject({ admitted: true });
    expect(second['generation']).not.toBe(first['generation']);
  });

  it(
    'keeps the last good keys while the file is gone, empty, a directory, a FIFO or no text, if nginx ' +
      'has the same',
    async () => {
      for (const broken of [
        () => rmSync(keysFile),
        () => writeFileSync(keysFile, ''),
        () => (rmSync(keysFile), mkdirSync(keysFile)),
        () => (rmSync(keysFile), execFileSync('mkfifo', [keysFile])),
        () => writeFileSync(keysFile, Buffer.alloc(5000)),
      ]) {
        const before = await verify('hashed-key');
        expect(before['admitted']).toBe(true);
        broken();
        expect(await verify('hashed-key', before['generation'] as string)).toEqual(before);
        // nginx may know that the key was revoked
        expect(await verify('hashed-key', 'newer')).toMatchObject({ reason: 'keys_unavailable' });
        rmSync(keysFile, { recursive: true, force: true });
        writeFileSync(keysFile, keys);
      }
    },
  );

  it(
    'checks one credential that arrives many times at once only once, and says busy when the ' + 'queue is full',
    async () => {
      const slow = hashSync('slow-key', 10);
      writeFileSync(keysFile, `${slow}\n`);
      const same = await Promise.all(Array.from({ length: 30 }, () => verify('slow-key', 'x')));
      expect(same.every((answer) => answer['admitted'] === true)).toBe(true);
      const different = await Promise.all(Array.from({ length: 30 }, (_, i) => verify(`slow-${i}`, 'x')));
      const reasons = different.map((answer) => answer['reason']);
      const checked = reasons.filter((reason) => reason === 'unknown_key').length;
      const busy = reasons.filter((reason) => reason === 'verifier_busy').length;
      // Four of them fit; on a busy machine one of the four may wait for too long.
      expect([checked > 0 && checked <= 4, checked + busy]).toEqual([true, 30]);
    },
  );
});

describe('POST /token', () => {
  const token = async (credential: string, body = '', type = 'application/json') =>
    (await send('/token', { credential, generation: '', contentType: type, body })).json;

  it('mints a token with the claims of the contract', async () => {
    const answer = await token('hashed-key');
    expect(answer).toMatchObject({ admitted: true, entry: { subject: 'alice' } });
    const minted = answer['token'] as Answer;
    const text = minted['token'] as string;
    expect(minted).toMatchObject({
      access_token: text,
      token_type: 'Bearer',
      expires_in: 3600,
      alg: 'ES256',
    });
    expect(decodeProtectedHeader(text)).toMatchObject({ typ: 'at+jwt', alg: 'ES256', kid: minted['kid'] });
    const claims = decodeJwt(text);
    expect(claims).toMatchObject({ iss: 'keygate', aud: 'copilot-api', sub: 'alice', scope: 'models chat' });
    expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(3600);
    expect(claims['key']).toMatch(/^[\w-]{22}$/);
    expect(claims.jti).toBeDefined();
  });

  it('narrows by JSON or form', async () => {
    for (const [body, type] of [
      ['{"ttl":60,"scope":"models"}', 'application/json'],
      ['ttl=60&scope=models', 'application/x-www-form-urlencoded'],
    ] as const) {
      const { token: minted } = (await token('hashed-key', body, type)) as { token: Answer };
      expect(minted['expires_in']).toBe(60);
      expect(decodeJwt(minted['token'] as string)['scope']).toBe('models');
    }
  });

  it.each([
    ['invalid_ttl', '{"ttl":0}'],
    ['invalid_ttl', '{"ttl":3601}'],
    ['invalid_ttl', '{"ttl":1.5}'],
    ['invalid_ttl', '{"ttl":"60"}'],
    ['invalid_ttl', '{"ttl":null}'],
    ['invalid_scope', '{"scope":"admin"}'],
    ['invalid_scope', '{"scope":["models"]}'],
    ['invalid_scope', '{"scope":"models admin"}'],
    ['invalid_token_request', '[]'],
    ['invalid_token_request', 'nonsense'],
    ['unknown_key', '{}', 'wrong-key'],
  ])('refuses with %s: %s', async (reason, body, credential = 'hashed-key') => {
    const answer = await token(credential, body);
    expect(answer).toMatchObject({ admitted: false, reason });
    const named = (answer['entry'] as Answer | undefined)?.['subject'];
    expect(named).toBe(credential === 'hashed-key' ? 'alice' : undefined);
  });
});

describe('the server', () => {
  it.each([
    ['no credential', '{"generation":""}'],
    ['a credential that is a number', '{"credential":1,"generation":""}'],
    ['a credential that is an array', '{"credential":["a"],"generation":""}'],
    ['a credential of 20 KB', JSON.stringify({ credential: 'x'.repeat(20000), generation: '' })],
    ['no JSON', 'nonsense'],
    ['__proto__', '{"__proto__":{"credential":"x"},"generation":""}'],
  ])('answers 400 to %s', async (_, body) => {
    expect((await send('/verify', body)).status).toBe(400);
  });

  const leaseQuestion = { budget: 'key', intervalMs: 1000, burst: 1, want: 1, spent: 0 };

  it.each<[path: string, question: object]>([
    ['/token', { credential: 'hashed-key', generation: '', body: {} }],
    ['/token', { credential: 'hashed-key', generation: '', contentType: null }],
    ['/fetch', { provider: 'x'.repeat(65), url: 'https://idp.example' }],
    ['/fetch', { provider: 'idp' }],
    ['/lease', { ...leaseQuestion, budget: '' }],
    ['/lease', { ...leaseQuestion, intervalMs: 0 }],
    ['/lease', { ...leaseQuestion, burst: 0.5 }],
    ['/lease', { ...leaseQuestion, want: '1' }],
    ['/lease', { ...leaseQuestion, spent: -1 }],
    ['/lease', { ...leaseQuestion, spent: 1e9 }],
  ])('answers 400 on %s to %j', async (path, question) => {
    expect((await send(path, question)).status).toBe(400);
  });

  it('answers a lease that is in order, without a cluster as where the store is away', async () => {
    expect(await send('/lease', leaseQuestion)).toMatchObject({ status: 200, json: { away: true, nodes: 1 } });
  });

  it('answers only POST of its own content type', async () => {
    expect((await send('/verify', '', {}, 'GET')).status).toBe(404);
    expect((await send('/verify', '{}', { 'content-type': 'application/json' })).status).toBe(415);
    expect((await send('/verify', `{"credential":"${'x'.repeat(200000)}"}`)).status).toBe(413);
  });

  it('answers in its own content type', async () => {
    expect((await send('/health', {})).type).toBe(contentType);
    expect((await send('/health', {})).json).toMatchObject({ status: 'ok', signing: true });
  });

  it('asks for the secret when it has one', async () => {
    const guarded = buildServer({ ...sidecar, secret: 'the-secret' }, false);
    const inject = (headers: object) =>
      guarded.inject({
        method: 'POST',
        url: '/health',
        payload: '{}',
        headers: { 'content-type': contentType, ...headers },
      });
    expect((await inject({})).statusCode).toBe(403);
    expect((await inject({ 'x-keygate-secret': 'wrong' })).statusCode).toBe(403);
    expect((await inject({ 'x-keygate-secret': 'the-secret' })).statusCode).toBe(200);
    await guarded.close();
  });
});
