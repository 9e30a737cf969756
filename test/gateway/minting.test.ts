// POST /token and its keys: what it gives, what a body may ask for, and rotation and revocation under load.

import { spawnSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { startGateway, type Gateway, type GatewayOptions } from './harness/gateway.js';
import type { Answered } from './harness/client.js';
import { variants } from './harness/variants.js';

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const sha256Line = (key: string) => `$sha256$${createHash('sha256').update(key).digest('base64url')}`;
const command = join(import.meta.dirname, '../../dist/keygate_command.js');
const json = { 'content-type': 'application/json' };
const form = { 'content-type': 'application/x-www-form-urlencoded' };
const keys = `alice:${sha256Line('alice-key')} scope=models,chat\nbob:${sha256Line('bob-key')}\nplain-key\n`;

interface Minted {
  token: string;
  access_token: string;
  expires_in: number;
}

describe.each(variants)('$name: minting', (variant) => {
  let gateway: Gateway;

  const open = async (options: Partial<GatewayOptions> = {}) => {
    gateway = await startGateway({ variant, keys, ...options });
  };
  const post = (key: string, body = '', headers: { [name: string]: string } = {}): Promise<Answered> =>
    gateway.send('/token', { method: 'POST', headers: { 'x-api-key': key, ...headers }, body });
  const mint = async (key: string, body = '', headers: { [name: string]: string } = {}): Promise<Minted> => {
    const answer = await post(key, body, headers);
    expect(answer.status, answer.body).toBe(200);
    return answer.json() as unknown as Minted;
  };
  const use = async (token: string) =>
    (await gateway.send('/', { headers: { authorization: `Bearer ${token}` } })).status;
  const environment = () => ({
    ...process.env,
    STATE_DIR: gateway.stateDir,
    API_KEYS_FILE: gateway.keysFile,
    VERIFIER_SOCKET: join(gateway.stateDir, 'run', 'verifier.sock'),
  });
  const keygate = (...args: string[]) =>
    new Promise<string>((resolve, reject) => {
      const child = spawn(process.execPath, [command, ...args], { env: environment() });
      let said = '';
      child.stdout.on('data', (part: Buffer) => (said += part.toString()));
      child.stderr.on('data', (part: Buffer) => (said += part.toString()));
      child.on('close', (code) => (code === 0 ? resolve(said) : reject(new Error(`exit ${code}: ${said}`))));
    });

  afterEach(() => gateway?.stop());

  it('gives a token that stands for its key, and whose body may only narrow', async () => {
    await open({ env: { JWT_TTL: '600', REQUIRE_SCOPE: 'chat' } });
    const answer = await post('alice-key');
    expect(answer.headers['cache-control']).toBe('no-store');
    const whole = answer.json() as unknown as Minted;
    expect(whole).toMatchObject({
      access_token: whole.token,
      token_type: 'Bearer',
      expires_in: 600,
      alg: 'RS256',
    });
    expect(decodeJwt(whole.token)).toMatchObject({
      iss: 'keygate',
      aud: 'copilot-api',
      sub: 'alice',
      scope: 'models chat',
    });
    expect(decodeProtectedHeader(whole.token).typ).toBe('at+jwt');
    expect(await use(whole.token)).toBe(200);
    const narrow = await mint('alice-key', '{"ttl":60,"scope":"models"}', json);
    expect(narrow.expires_in).toBe(60);
    expect(decodeJwt(narrow.token)).toMatchObject({ scope: 'models' });
    expect(await use(narrow.token), 'chat was left out').toBe(403);
    expect((await mint('alice-key', 'ttl=60&scope=chat', form)).expires_in).toBe(60);
    const bad: [string, { [name: string]: string }][] = [
      ['{"ttl":601}', json],
      ['{"ttl":0}', json],
      ['{"ttl":1.5}', json],
      ['{"ttl":"60"}', json],
      ['{"ttl":-1}', json],
      ['{"scope":"models admin"}', json],
      ['{"scope":["models"]}', json],
      ['[]', json],
      ['{', json],
      ['null', json],
      ['ttl=6e1', form],
      ['ttl=60&ttl=70', form],
      ['scope=admin', form],
      ['ttl=60', { 'content-type': 'text/plain' }],
    ];
    for (const [body, headers] of bad) expect((await post('alice-key', body, headers)).status, body).toBe(400);
    expect((await post('alice-key', `{"x":"${'x'.repeat(9000)}"}`, json)).status).toBe(413);
    expect((await post(whole.token)).status, 'a token for a token').toBe(401);
    expect((await post('wrong-key')).status).toBe(401);
    expect((await gateway.send('/token', { headers: { 'x-api-key': 'alice-key' } })).status).toBe(405);
    expect(gateway.upstream.arrived.every(({ target }) => target === '/')).toBe(true);
    const inspect = (token: string) =>
      spawnSync(process.execPath, [command, 'token', 'inspect'], {
        env: environment(),
        input: token,
        encoding: 'utf8',
      });
    expect(inspect(narrow.token)).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/from an API key that still stands[^]*ADMITTED/) as string,
    });
    writeFileSync(gateway.keysFile, '# nobody\n');
    expect(inspect(narrow.token)).toMatchObject({
      status: 1,
      stdout: expect.stringMatching(/from no API key that stands[^]*REFUSED/) as string,
    });
  });

  it.each(['ES256', 'EdDSA'])(
    "signs with %s where JWT_ALG says so; the private half is the sidecar's alone",
    async (alg) => {
      await open({ env: { JWT_ALG: alg } });
      const minted = await mint('plain-key');
      expect(decodeProtectedHeader(minted.token).alg).toBe(alg);
      expect(await use(minted.token)).toBe(200);
      const signing = join(gateway.stateDir, 'signing');
      expect(statSync(signing).mode & 0o777).toBe(0o700);
      for (const file of readdirSync(signing)) expect(statSync(join(signing, file)).mode & 0o777, file).toBe(0o600);
      const published = await gateway.send('/.well-known/jwks.json');
      expect(published.headers['cache-control']).toBe('public, max-age=300');
      expect(published.body).not.toContain('"d"');
      expect(published.body).toContain(decodeProtectedHeader(minted.token).kid as string);
    },
  );

  it('loses no valid request while signing keys are rotated and keys revoked under load', async () => {
    await open({ workers: 2 });
    const wrong: string[] = [];
    const old = await mint('bob-key');
    const tokens = [old.token];
    let isOver = false;
    const client = async () => {
      for (let n = 0; !isOver; n++) {
        if (n % 5 === 0) tokens.push((await mint('bob-key')).token);
        const token = tokens[n % tokens.length] as string;
        const got = await use(token);
        if (got !== 200) wrong.push(`token ${got}`);
        const direct = await gateway.send('/', { headers: { 'x-api-key': 'bob-key' } });
        if (direct.status !== 200) wrong.push(`key ${direct.status}`);
        await pause(5);
      }
    };
    const clients = [client(), client()];
    const kid = decodeProtectedHeader(old.token).kid;
    const alices = await mint('alice-key');
    expect(await use(alices.token)).toBe(200);
    await keygate('jwks', 'rotate', '--now');
    const newest = async () => decodeProtectedHeader((await mint('bob-key')).token).kid;
    await vi.waitFor(async () => expect(await newest()).not.toBe(kid), { timeout: 20000, interval: 200 });
    expect(await keygate('key', 'revoke', 'alice')).toContain('1 revoked');
    await vi.waitFor(async () => expect(await use(alices.token)).toBe(401), 20000);
    for (let i = 0; i < 10; i++) {
      expect(await use(alices.token)).toBe(401);
      expect((await gateway.send('/', { headers: { 'x-api-key': 'alice-key' } })).status).toBe(401);
    }
    const carol = JSON.parse(await keygate('key', 'new', 'carol', '--json')) as { key: string };
    await vi.waitFor(async () => expect((await post(carol.key)).status).toBe(200), 20000);
    expect(await use(old.token), 'signed by the key before').toBe(200);
    isOver = true;
    await Promise.all(clients);
    expect(wrong).toEqual([]);
    await keygate('token', 'revoke', decodeJwt(old.token).jti as string);
    await vi.waitFor(async () => expect(await use(old.token)).toBe(401), 20000);
    const lint = spawnSync(process.execPath, [command, 'key', 'check'], {
      env: environment(),
      encoding: 'utf8',
    });
    expect(lint.status, lint.stdout).toBe(0);
    writeFileSync(gateway.keysFile, 'nobody:plain\n');
    expect(spawnSync(process.execPath, [command, 'key', 'check'], { env: environment() }).status).toBe(1);
  }, 60000);
});
