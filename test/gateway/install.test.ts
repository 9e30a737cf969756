// `keygate install` for a real nginx: the lines that it prints are put into a configuration, and that serves.

import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hashSync } from '@node-rs/bcrypt';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { send } from './harness/client.js';
import type { RunningNginx } from './harness/nginx_process.js';
import { editSettings, linesIn, makeOperator, type Lines, type Operator } from './harness/operator.js';
import { startSidecar, type RunningSidecar } from './harness/sidecar_process.js';
import { startUpstream, type TestUpstream } from './harness/upstream.js';
import { variants } from './harness/variants.js';

const key = 'key-of-the-operator';
const headers = { 'x-api-key': key };

describe.each(variants)('$name: keygate install', (variant) => {
  let upstream: TestUpstream;
  let operator: Operator;
  let sidecar: RunningSidecar;
  let nginx: RunningNginx;
  let printed = '';

  beforeAll(async () => {
    upstream = await startUpstream();
    operator = await makeOperator(variant, upstream.url);
    const stateDir = join(operator.dir, 'state');
    const keysFile = join(stateDir, 'keys', 'api_keys.txt');
    const socket = join(stateDir, 'run', 'verifier.sock');
    for (const part of ['keys', 'run']) mkdirSync(join(stateDir, part), { recursive: true });
    writeFileSync(keysFile, `alice:${hashSync(key, 4)}\n`);
    sidecar = await startSidecar({ env: { STATE_DIR: stateDir, API_KEYS_FILE: keysFile }, socket });
    const ran = operator.install('--engine', variant.engine, '--entry', variant.entry);
    expect(ran, ran.err).toMatchObject({ code: 0, err: '' });
    printed = ran.out;
    operator.configure(linesIn(printed));
    editSettings(operator.keygateDir, { api_keys_file: keysFile, state_dir: stateDir, sidecar: `unix:${socket}` }); // prettier-ignore
    nginx = await operator.start();
  });

  afterAll(async () => {
    await nginx?.stop();
    await sidecar?.stop();
    await upstream?.close();
    operator?.remove();
  });

  it('prints lines that nginx takes without a word', () => {
    const { code, err } = operator.test();
    expect({ code, said: err.split('\n').filter((line) => /\[(?:warn|emerg|alert|error)\]/.test(line)) }).toEqual({ code: 0, said: [] }); // prettier-ignore
  });

  it('guards the location, and nothing else', async () => {
    expect((await send(operator.url, '/open/x')).body).toBe('open');
    const refused = await send(operator.url, '/api/x');
    expect(refused.status).toBe(401);
    expect(refused.json().error.code).toBe('missing_credential');
    expect((await send(operator.url, '/api/x', { headers })).body).toBe('upstream');
    expect(upstream.arrived.at(-1)?.headers).toMatchObject({ 'x-auth-user': 'alice' });
    expect((await send(operator.url, '/elsewhere')).status).toBe(404);
  });

  it('serves the routes, and takes a body for POST /token that the server would not', async () => {
    expect((await send(operator.url, '/health')).json()).toEqual({ status: 'ok' });
    expect((await send(operator.url, '/health/ready')).status).toBe(200);
    expect((await send(operator.url, '/.well-known/jwks.json')).json()).toHaveProperty('keys');
    const minted = await send(operator.url, '/token', { method: 'POST', headers, body: '{"ttl":60}' });
    expect(minted.status).toBe(200);
    const { token } = minted.json() as unknown as { token: string };
    const used = await send(operator.url, '/api/x', { headers: { authorization: `Bearer ${token}` } });
    expect(used.status).toBe(200);
  });

  it('installs again without touching settings.conf, and nginx takes that up with a reload', async () => {
    const settings = join(operator.keygateDir, 'settings.conf');
    const before = readFileSync(settings, 'utf8');
    rmSync(join(operator.keygateDir, 'server.conf'));
    const again = operator.install('--entry', variant.entry);
    expect(again.out).toContain('written: server.conf\n');
    expect(readFileSync(settings, 'utf8')).toBe(before);
    expect(operator.test().code).toBe(0);
    nginx.reload();
    expect((await send(operator.url, '/api/x', { headers })).status).toBe(200);
  });

  it('keeps to the engine that Keygate runs on, and has less to add from then on', () => {
    const again = JSON.parse(operator.install('--json').out) as {
      engine: string;
      lines: { main: string[]; http: string[] };
      advice: string[];
    };
    expect(again.engine).toBe(variant.engine);
    expect(again.lines.main).toEqual([]);
    expect(again.lines.http.map((line) => line.split(' ')[0])).toEqual(['include', 'include']);
    expect(again.advice.join()).not.toContain('large_client_header_buffers');
    expect(operator.test().code).toBe(0);
  });

  it('puts the routes under a prefix', async () => {
    expect(operator.install('--prefix', '/auth').out).toContain('written: routes.conf\n');
    expect(operator.test().code).toBe(0);
    await nginx.stop(); // not a reload: old workers would answer for a while
    nginx = await operator.start();
    const status = async (path: string, method = 'GET') =>
      (await send(operator.url, path, { method, headers })).status;
    expect(await status('/auth/health')).toBe(200);
    expect(await status('/health')).toBe(404);
    await vi.waitFor(async () => expect(await status('/auth/health/ready')).toBe(200), {
      timeout: 20000,
      interval: 100,
    });
    expect(await status('/auth/.well-known/jwks.json')).toBe(200);
    expect(await status('/auth/token', 'POST')).toBe(200);
    expect(await status('/auth/token')).toBe(405);
    expect(await status('/token', 'POST')).toBe(404);
    upstream.arrived.length = 0;
    expect(await status('/api/auth/token', 'POST')).toBe(404);
    expect(upstream.arrived).toEqual([]);
  });

  it('writes files that everybody may read and only the owner may change', () => {
    for (const name of ['http.conf', 'settings.conf', 'keygate.js', '.keygate-installed.json']) {
      expect(statSync(join(operator.keygateDir, name)).mode & 0o777, name).toBe(0o644);
    }
  });
});

// js_engine belongs to http: setting it would change the engine under the operator's own scripts.
describe('keygate install beside scripts of the operator', () => {
  it.each(
    variants.filter((one) => one.engine === 'njs' && (one.entry === 'access' || one.runtime === 'debian13')),
  )('joins them on their engine: $name', async (variant) => {
    const operator = await makeOperator(variant, 'http://127.0.0.1:1');
    writeFileSync(
      join(operator.dir, 'own.js'),
      'export default { which: (r) => r.return(200, njs.engine) };\n',
    );
    const own: Lines = {
      main: [`load_module ${operator.module};`],
      http: [`js_import own from ${operator.dir}/own.js;`],
      server: ['location = /own { js_content own.which; }'],
      location: [],
    };
    const answer = async () => {
      const nginx = await operator.start();
      try {
        return [(await send(operator.url, '/own')).body, (await send(operator.url, '/api/x')).status];
      } finally {
        await nginx.stop();
      }
    };
    operator.configure(own);
    expect(await answer()).toEqual(['njs', 502]);
    const { out } = operator.install();
    expect(out).toContain('engine njs: your own scripts run on it, as no js_engine is set');
    const lines = linesIn(out);
    const together = Object.keys(own).map((context) => [context, [...own[context as keyof Lines], ...lines[context as keyof Lines]]]); // prettier-ignore
    operator.configure(Object.fromEntries(together) as Lines);
    expect(operator.test().code).toBe(0);
    expect((await answer())[0]).toBe('njs');
    operator.remove();
  });
});
