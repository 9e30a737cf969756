// Parts that are missing or broken: the rest works, and what can't be decided is 503, never 401 and never 200.

import { hashSync } from '@node-rs/bcrypt';
import { createServer, type Server } from 'node:http';
import { rmSync, writeFileSync, mkdirSync, renameSync } from 'node:fs';
import { expect, it } from 'vitest';
import { startGateway, type Gateway } from './harness/gateway.js';
import { describeAtOnce } from './harness/variants.js';
import { join } from 'node:path';

const withKey = (key: string) => ({ headers: { 'x-api-key': key } });
const keys = `plain-key-1\ncarol:${hashSync('hashed-key-1', 4)}\n`;

async function status(gateway: Gateway, key: string): Promise<number> {
  return (await gateway.send('/x', withKey(key))).status;
}

// Something that listens where the sidecar should, and answers as it is told.
async function impostor(
  gateway: Gateway,
  answer: { status: number; type: string; body: string } | 'hang',
): Promise<Server> {
  const server = createServer((_, response) => {
    if (answer === 'hang') return;
    response.writeHead(answer.status, { 'content-type': answer.type });
    response.end(answer.body);
  });
  const path = join(gateway.stateDir, 'run', 'verifier.sock');
  rmSync(path, { force: true });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return server;
}

const ours = 'application/vnd.keygate+json';

const wrongAnswers = [
  ['status 500', { status: 500, type: ours, body: '{"admitted":true}' }],
  ['status 204', { status: 204, type: ours, body: '' }],
  ['status 302', { status: 302, type: ours, body: '{}' }],
  ['HTML', { status: 200, type: 'text/html', body: '<h1>200</h1>' }],
  [
    'JSON of another type',
    {
      status: 200,
      type: 'application/json',
      body: `{"admitted":true,"generation":"","entry":{"subject":"a","scopes":[],"expiresSeconds":null,"fingerprint":"x"}}`,
    },
  ],
  ['no JSON', { status: 200, type: ours, body: 'admitted' }],
  ['null', { status: 200, type: ours, body: 'null' }],
  ['admitted as text', { status: 200, type: ours, body: '{"admitted":"true"}' }],
  ['admitted without an entry', { status: 200, type: ours, body: '{"admitted":true}' }],
  ['an unknown reason', { status: 200, type: ours, body: '{"admitted":false,"reason":"constructor"}' }],
  ['200 KB', { status: 200, type: ours, body: `{"admitted":true,"x":"${'x'.repeat(200000)}"}` }],
] as const;

describeAtOnce('failures', (variant) => {
  it('goes on without the sidecar where it can, and answers 503 where it can not', async () => {
    const gateway = await startGateway({ variant, keys });
    expect(await status(gateway, 'hashed-key-1')).toBe(200);
    await gateway.sidecar?.stop();
    expect(await status(gateway, 'hashed-key-1'), 'a cached verdict').toBe(200);
    expect(await status(gateway, 'plain-key-1')).toBe(200);
    const answer = await gateway.send('/x', withKey('another-hashed-key'));
    expect(answer.status).toBe(503);
    expect(answer.headers['retry-after']).toBe('1');
    expect(answer.json().error).toMatchObject({ type: 'overloaded_error', code: 'verifier_unavailable' });
    const token = await gateway.send('/token', { method: 'POST', ...withKey('plain-key-1') });
    expect(token.status).toBe(503);
    await gateway.stop();
  });

  it('admits nobody whatever else than the sidecar answers in its place', async () => {
    const gateway = await startGateway({ variant, keys, sidecar: false });
    for (const [what, answer] of wrongAnswers) {
      const server = await impostor(gateway, answer);
      const refused = await gateway.send('/x', withKey('hashed-key-1')).catch(() => undefined);
      expect(gateway.upstream.arrived, what).toHaveLength(0);
      expect([503, undefined], what).toContain(refused?.status);
      server.closeAllConnections();
      server.close();
    }
    await gateway.stop();
  });

  it('answers 503 within seconds when the sidecar hangs', async () => {
    const gateway = await startGateway({ variant, keys, sidecar: false });
    const server = await impostor(gateway, 'hang');
    const startedMs = Date.now();
    expect(await status(gateway, 'hashed-key-1')).toBe(503);
    expect(Date.now() - startedMs).toBeLessThan(6000);
    server.closeAllConnections();
    server.close();
    await gateway.stop();
  });

  it('keeps the last good keys while the file is gone, empty or a directory, says so, and recovers', async () => {
    const gateway = await startGateway({ variant, keys });
    const file = gateway.keysFile;
    const readiness = async () => (await gateway.send('/health/ready')).json()['status'];
    const breakIt = [() => rmSync(file), () => writeFileSync(file, ''), () => (rmSync(file), mkdirSync(file))];
    for (const broken of breakIt) {
      broken();
      await expect.poll(readiness).toBe('degraded');
      expect(await status(gateway, 'plain-key-1')).toBe(200);
      expect(await status(gateway, 'hashed-key-1')).toBe(200);
      rmSync(file, { recursive: true, force: true });
      writeFileSync(`${file}.new`, keys);
      renameSync(`${file}.new`, file);
      await expect.poll(readiness).toBe('ok');
    }
    expect(gateway.errorLog()).toContain(`API_KEYS_FILE ${file}: ENOENT; keys loaded before stay in use`);
    await gateway.stop();
  });

  it('stops using the last good keys after KEYS_MAX_STALE, with 503', async () => {
    const gateway = await startGateway({ variant, keys, env: { KEYS_MAX_STALE: '1' } });
    rmSync(gateway.keysFile);
    await expect.poll(() => status(gateway, 'plain-key-1')).toBe(503);
    writeFileSync(gateway.keysFile, keys);
    await expect.poll(() => status(gateway, 'plain-key-1')).toBe(200);
    await gateway.stop();
  });

  it('admits nobody by key, with 503, when there was never a key file; /health/ready says so', async () => {
    const gateway = await startGateway({ variant });
    expect(await status(gateway, 'plain-key-1')).toBe(503);
    expect((await gateway.send('/health')).status).toBe(200);
    expect((await gateway.send('/health/ready')).json()).toMatchObject({ components: { keys: 'failing' } });
    await gateway.stop();
  });

  it('answers 503 to tokens while a configured JWKS file was never readable, and serves keys', async () => {
    const gateway = await startGateway({ variant, keys, env: { JWKS_PATH: '/nowhere/jwks.json' } });
    const token = `${Buffer.from('{"alg":"RS256","kid":"a"}').toString('base64url')}.${Buffer.from('{"sub":"a"}').toString('base64url')}.AAAA`;
    const answer = await gateway.send('/x', { headers: { authorization: `Bearer ${token}` } });
    expect(answer.status).toBe(503);
    expect(answer.json().error.code).toBe('keys_unavailable');
    expect(await status(gateway, 'plain-key-1')).toBe(200);
    expect(gateway.errorLog()).toContain('JWKS_PATH /nowhere/jwks.json: ENOENT');
    expect((await gateway.send('/health/ready')).json()).toMatchObject({ status: 'degraded' });
    await gateway.stop();
  });
});
