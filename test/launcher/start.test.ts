// `npm start` as an evaluator runs it, from the built programs, each time under a STATE_DIR of its own.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { send } from '../gateway/harness/client.js';
import { freePort } from '../gateway/harness/free_port.js';
import { endAll, processesOf, program, ready, run, stateDir } from './launcher.js';

afterEach(endAll);

describe('npm start', { timeout: 60000 }, () => {
  it('runs with nothing set: certificate, demo key, signing key, upstream, sidecar, nginx; and again', async () => {
    const env = { STATE_DIR: stateDir(), LISTEN_PORT: String(await freePort()) };
    const first = run(env);
    const url = await ready(first);
    const key = /demo key \(shown once\): (kg_[0-9A-Za-z]{8}_[0-9A-Za-z]{43})/.exec(first.said())?.[1] ?? '';
    expect((await send(url, '/v1/models')).status).toBe(401);
    const headers = { authorization: `Bearer ${key}` };
    expect((await send(url, '/v1/models', { headers })).status).toBe(200);
    const minted = await send(url, '/token', { method: 'POST', headers });
    expect(minted.status).toBe(200);
    expect(statSync(join(env.STATE_DIR, 'signing', 'signing_keys.json')).mode & 0o777).toBe(0o600);
    expect(statSync(join(env.STATE_DIR, 'signing')).mode & 0o777).toBe(0o700);
    first.child.kill('SIGINT');
    expect(await first.ended).toBe(0);
    expect(processesOf(env.STATE_DIR)).toEqual([]);

    const second = run(env);
    await ready(second);
    expect(second.said()).not.toContain(key);
    expect((await send(url, '/v1/models', { headers })).status).toBe(200);
    const { token } = minted.json() as unknown as { token: string };
    expect((await send(url, '/v1/models', { headers: { authorization: `Bearer ${token}` } })).status).toBe(200);
    second.child.kill('SIGTERM');
    expect(await second.ended).toBe(0);
    expect(processesOf(env.STATE_DIR)).toEqual([]);
  });

  it('leaves nothing behind when it is killed, and restarts a sidecar that is', async () => {
    const env = { STATE_DIR: stateDir(), LISTEN_PORT: String(await freePort()) };
    const one = run(env);
    const url = await ready(one);
    const sidecar = spawnSync('pgrep', ['-P', String(one.child.pid), '-f', 'dist/verifier.js'], {
      encoding: 'utf8',
    });
    process.kill(Number(sidecar.stdout.trim()), 'SIGKILL');
    const condition = async () => (await send(url, '/health/ready')).json()['components'];
    await expect.poll(condition, { timeout: 15000, interval: 500 }).toMatchObject({ verifier: 'ok' });
    one.child.kill('SIGKILL');
    await expect.poll(() => processesOf(env.STATE_DIR)).toEqual([]);
  });

  it('shows metrics on its own port, and stops where another program has a METRICS_PORT that was set', async () => {
    const port = String(await freePort());
    const env = { LISTEN_PORT: String(await freePort()), METRICS_PORT: port };
    const one = run({ ...env, STATE_DIR: stateDir() });
    const url = await ready(one);
    expect((await send(`http://127.0.0.1:${port}`, '/metrics')).body).toContain('keygate_build_info{');
    expect((await send(url, '/metrics')).status).toBe(401);
    const other = run({ ...env, STATE_DIR: stateDir(), LISTEN_PORT: String(await freePort()) });
    expect(await other.ended).toBe(1);
    expect(other.said()).toContain(`METRICS_PORT ${port} is taken: set METRICS_PORT to another port, or to off`);
  });

  it('takes the demo key out once a key source is set', async () => {
    const dir = stateDir();
    const port = String(await freePort());
    const first = run({ STATE_DIR: dir, LISTEN_PORT: port });
    const url = await ready(first);
    const demo = /(kg_\w+)/.exec(first.said())?.[1] ?? '';
    first.child.kill('SIGINT');
    await first.ended;
    const second = run({ STATE_DIR: dir, LISTEN_PORT: port, API_KEY: 'key-of-the-environment' });
    await ready(second);
    expect((await send(url, '/x', { headers: { 'x-api-key': demo } })).status).toBe(401);
    expect((await send(url, '/v1/models', { headers: { 'x-api-key': 'key-of-the-environment' } })).status).toBe(200);
    expect(readFileSync(join(dir, 'keys', 'api_keys.txt'), 'utf8')).not.toContain('demo');
  });

  it.each([
    [
      'bad settings, all at once',
      { LISTEN_PORT: 'x', RATE_LIMIT_API: '5', JWT_LEEWAY: '-1' },
      [/^keygate: LISTEN_PORT: expected /m, /^keygate: RATE_LIMIT_API: expected /m, /^keygate: JWT_LEEWAY: expected /m],
    ],
    ['a missing certificate', { HOST_CERTS_DIR: '/nowhere' }, [/HOST_CERTS_DIR: \/nowhere\/copilot.crt is missing/]],
    [
      'an njs too old for js_access',
      { NGINX_RUNTIME: 'debian13', AUTH_ENTRY: 'access' },
      [/AUTH_ENTRY=access needs njs 1\.0\.1 or newer, not njs 0\.8\.9/],
    ],
    [
      'an engine that is not there',
      { NGINX_RUNTIME: 'debian13', JS_ENGINE: 'qjs' },
      [/JS_ENGINE=qjs: njs 0\.8\.9 of this nginx has only njs/],
    ],
    [
      'js_access on the engine that can not run it',
      { AUTH_ENTRY: 'access', JS_ENGINE: 'njs' },
      [/AUTH_ENTRY=access needs the engine qjs, not njs/],
    ],
    ['a GitHub token without a key', { GITHUB_TOKEN: 'ghp_x' }, [/keygate key new/]],
    ['a placeholder for a key', { API_KEY: 'your_api_key_here' }, [/API_KEY: a placeholder from an example/]],
    ['a setting that would leave its directive', { JWT_ISSUER: 'a"; }' }, [/^keygate: JWT_ISSUER: expected /m]],
  ])('says what to do and ends with 1 for %s', async (_, settings, patterns) => {
    const env = { STATE_DIR: stateDir(), LISTEN_PORT: String(await freePort()), ...settings };
    const one = run(env);
    expect(await one.ended, one.said()).toBe(1);
    for (const pattern of patterns) expect(one.said()).toMatch(pattern);
    expect(one.said().trim().split('\n')).toHaveLength(patterns.length);
    expect(processesOf(env.STATE_DIR)).toEqual([]);
  });

  it('says so when the port is taken', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const env = { STATE_DIR: stateDir(), LISTEN_PORT: String(port) };
    const one = run(env);
    expect(await one.ended).toBe(1);
    expect(one.said()).toMatch(new RegExp(`^keygate: LISTEN_PORT ${port} is taken on 127.0.0.1: `, 'm'));
    server.close();
  });

  it('keeps the folder of its socket to itself', async () => {
    const env = { STATE_DIR: stateDir(), LISTEN_PORT: String(await freePort()) };
    await ready(run(env));
    const { mode, uid } = statSync(join(env.STATE_DIR, 'run', 'nginx', 'sockets'));
    expect(mode & 0o777).toBe(0o700);
    expect(uid).toBe(process.getuid?.());
  });

  it('starts where a path is too long for a socket, and asks over loopback', async () => {
    const dir = join(stateDir(), 'x'.repeat(100));
    const short = join(stateDir(), 'verifier.sock');
    const settings = { STATE_DIR: dir, LISTEN_PORT: String(await freePort()), API_KEY: 'key-of-a-long-path' };
    const refused = run(settings);
    expect(await refused.ended).toBe(1);
    expect(refused.said()).toMatch(/^keygate: VERIFIER_SOCKET \S+ is longer than the 107 bytes .*\n$/);
    const url = await ready(run({ ...settings, VERIFIER_SOCKET: short }));
    expect(readFileSync(join(dir, 'run/nginx/conf/keygate/decision_listen.conf'), 'utf8')).toMatch(
      /^listen 127\.0\.0\.1:\d+ /m,
    );
    const headers = { 'x-api-key': 'key-of-a-long-path' };
    expect((await send(url, '/v1/models', { headers })).status).toBe(200);
    expect((await send(url, '/v1/models', { headers: { 'x-api-key': 'other' } })).status).toBe(401);
  });

  it('uses a socket as long as one may be', async () => {
    const base = stateDir();
    const rest = '/run/nginx/sockets/decision.sock.1'.length;
    const dir = join(base, 'y'.repeat(107 - rest - base.length - 1));
    mkdirSync(dir);
    await ready(run({ STATE_DIR: dir, LISTEN_PORT: String(await freePort()) }));
    expect(statSync(join(dir, 'run/nginx/sockets/decision.sock.1')).isSocket()).toBe(true);
  });

  it('starts with few files to open, and says what that limits', async () => {
    const env = { STATE_DIR: stateDir(), LISTEN_PORT: String(await freePort()), API_KEY: 'key-of-few-files' };
    const one = run(env, ['sh', '-c', `ulimit -n 1024; exec "$0" "$1"`, process.execPath, program]);
    const url = await ready(one);
    expect(one.said().match(/^streams are limited to 480 at once .* 1024 files .*$/gm)).toHaveLength(1);
    const headers = { 'x-api-key': 'key-of-few-files' };
    expect((await send(url, '/v1/models', { headers })).status).toBe(200);
  });

  it('refuses a certificate whose key is another', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'keygate-certs-'));
    writeFileSync(join(dir, 'copilot.crt'), 'nonsense');
    writeFileSync(join(dir, 'copilot.key'), 'nonsense');
    const one = run({ STATE_DIR: stateDir(), HOST_CERTS_DIR: dir, LISTEN_PORT: String(await freePort()) });
    expect(await one.ended).toBe(1);
    expect(one.said()).toContain('copilot.key is not the key of copilot.crt');
    expect(existsSync(join(dir, 'copilot.crt'))).toBe(true);
  });
});
