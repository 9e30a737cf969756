// The Compose stack as a node of a cluster, with a real Redis on the host.

import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startStore, type StoreServer } from '../cluster/harness/store_server.js';
import { send } from '../gateway/harness/client.js';
import { describeWithEngine, engineAddress } from './harness/engine.js';
import { startStack, type Stack } from './harness/stack.js';

const soon = { timeout: 30000, interval: 100 };

describeWithEngine('a stack with REDIS_URL', () => {
  let store: StoreServer;
  let stack: Stack;
  const keygate = (words: string) => stack.run(`docker compose run --rm verifier keygate ${words}`);
  const statusFor = (key: string) =>
    send(stack.url, '/v1/models', { headers: { 'x-api-key': key } }).then(({ status }) => status);

  beforeAll(async () => {
    const address = engineAddress();
    store = await startStore({ password: 's3cret-password', lines: [`bind 127.0.0.1 ${address}`] });
    stack = await startStack('keygate-cluster', ({ dir }) => {
      writeFileSync(join(dir, 'cluster_secret'), randomBytes(32).toString('base64'), { mode: 0o644 });
      writeFileSync(join(dir, 'redis_password'), 's3cret-password\n', { mode: 0o644 });
      return {
        REDIS_URL: `redis://${address}:${store.port}`,
        REDIS_PASSWORD_FILE: './redis_password',
        CLUSTER_SECRET_FILE: './cluster_secret',
      };
    });
  });
  afterAll(async () => {
    await stack?.stop();
    await store?.stop();
  });

  it('joins, and shares what its admin command does', async () => {
    const key = keygate('key new alice').stdout.split('\n')[0] as string;
    await expect.poll(() => statusFor(key), soon).toBe(200);
    const client = await store.client();
    expect(await client.get('keygate:number')).toMatch(/^\d+:/);
    const minted = await send(stack.url, '/token', { method: 'POST', headers: { 'x-api-key': key } });
    const { token } = minted.json() as unknown as { token: string };
    expect(await statusFor(token)).toBe(200);
    expect(keygate('key revoke alice').said).toContain('Every node of the cluster takes it up');
    await expect.poll(() => statusFor(key), soon).toBe(401);
    await expect.poll(() => statusFor(token), soon).toBe(401);
  });

  it('keeps the secret of the cluster and the password from nginx', () => {
    const secrets = (service: string) => stack.run(`docker compose exec ${service} ls /run/secrets`);
    expect(secrets('verifier').stdout.split('\n')).toEqual(
      expect.arrayContaining(['cluster_secret', 'redis_password']) as string[],
    );
    expect(secrets('nginx').stdout).not.toMatch(/cluster_secret|redis/);
    expect(stack.inspect('nginx').Config.Env.join('\n')).not.toMatch(/s3cret/);
  });

  it('stays ready while the store is away, and changes nothing then but by a revocation', async () => {
    const key = keygate('key new bob').stdout.split('\n')[0] as string;
    await expect.poll(() => statusFor(key), soon).toBe(200);
    await store.kill();
    const status = () => stack.run('docker compose exec nginx curl -s http://127.0.0.1:9145/status.json').stdout;
    await expect.poll(status, soon).toMatch(/"storeUp": ?false/);
    expect((await send(stack.url, '/health/ready')).status).toBe(200);
    expect(await statusFor(key)).toBe(200);
    const refused = keygate('key new carol');
    expect(refused.status).not.toBe(0);
    expect(refused.said).toMatch(/^keygate: nothing was changed, as the store /m);
    expect(keygate('key revoke bob').said).toContain('WARNING: only this node knows');
    await expect.poll(() => statusFor(key), soon).toBe(401);
  });
});
