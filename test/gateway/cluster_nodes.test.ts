// An admin and clients of a cluster of two whole gateways, on different engines, with a real store: what is done on one
// node counts on the other.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeProtectedHeader } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeSecretFile } from '../cluster/harness/settings.js';
import { startStore, type StoreServer } from '../cluster/harness/store_server.js';
import { freePort } from './harness/free_port.js';
import { startGateway, type Gateway } from './harness/gateway.js';
import { startUpstream, type TestUpstream } from './harness/upstream.js';
import { variants, type Variant } from './harness/variants.js';

const program = join(import.meta.dirname, '../../dist/keygate_command.js');
const secretFile = makeSecretFile();
let store: StoreServer;
let upstream: TestUpstream;
let nodes: [Gateway, Gateway];
let metricsPort = 0;

const settings = (i: number) => ({
  REDIS_URL: store.url,
  CLUSTER_SECRET_FILE: secretFile,
  NODE_NAME: `node-${i}`,
  ...(i === 0 ? { METRICS_PORT: String(metricsPort) } : {}),
});

beforeAll(async () => {
  store = await startStore();
  upstream = await startUpstream();
  metricsPort = await freePort();
  const start = (variant: Variant, i: number) => startGateway({ variant, upstream, workers: 2, env: settings(i) });
  const [one, , , other] = variants as [Variant, Variant, Variant, Variant];
  nodes = await Promise.all([start(one, 0), start(other, 1)]);
}, 180000);
afterAll(async () => {
  await Promise.all((nodes ?? []).map((node) => node.stop()));
  await upstream?.close();
  await store?.stop();
});

function keygate(node: 0 | 1, ...args: string[]): { [name: string]: unknown } {
  const { stateDir, keysFile } = nodes[node];
  const env = { ...process.env, ...settings(node), STATE_DIR: stateDir, API_KEYS_FILE: keysFile };
  const ran = spawnSync(process.execPath, [program, '--json', ...args], { env, encoding: 'utf8' });
  if (ran.status !== 0) throw new Error(ran.stderr);
  return JSON.parse(ran.stdout) as { [name: string]: unknown };
}

const asKey = (key: string) => ({ headers: { 'x-api-key': key } });
const status = async (node: 0 | 1, credential: string) =>
  (await nodes[node].send('/v1/models', asKey(credential))).status;
const soon = (node: 0 | 1, credential: string, timeout = 5000) =>
  expect.poll(() => status(node, credential), { timeout, interval: 20 });

async function mint(node: 0 | 1, key: string): Promise<string> {
  const answer = await nodes[node].send('/token', { method: 'POST', ...asKey(key) });
  expect(answer.status, answer.body).toBe(200);
  return answer.json()['token'] as string;
}

describe('a cluster of two nodes', () => {
  it('is ready on both once they have joined', async () => {
    for (const node of nodes)
      await expect.poll(async () => (await node.send('/health/ready')).status, { timeout: 25000 }).toBe(200);
  });

  it('admits a new key on both, and refuses it on both once it is revoked on either', async () => {
    const key = keygate(0, 'key', 'new', 'alice')['key'] as string;
    await soon(0, key).toBe(200);
    await soon(1, key).toBe(200);
    expect(keygate(1, 'key', 'revoke', 'alice')).toMatchObject({ revoked: 1, published: true });
    await soon(1, key).toBe(401);
    await soon(0, key).toBe(401);
  });

  it('takes tokens of either on both, until they are revoked', async () => {
    const key = keygate(1, 'key', 'new', 'bob')['key'] as string;
    await soon(0, key).toBe(200);
    await soon(1, key).toBe(200);
    const tokens = [await mint(0, key), await mint(1, key)] as const;
    for (const token of tokens) {
      await soon(0, token).toBe(200);
      await soon(1, token).toBe(200);
    }
    const { jti } = JSON.parse(Buffer.from(tokens[0].split('.')[1] ?? '', 'base64url').toString()) as { jti: string };
    keygate(1, 'token', 'revoke', jti);
    await soon(0, tokens[0]).toBe(401);
    await soon(1, tokens[0]).toBe(401);
    expect(await status(0, tokens[1])).toBe(200);
    keygate(0, 'key', 'revoke', 'bob');
    await soon(1, tokens[1]).toBe(401);
  });

  it('takes tokens of a key that was rotated to, and none of a key that another node revoked', async () => {
    const key = keygate(0, 'key', 'new', 'carol')['key'] as string;
    await soon(0, key).toBe(200);
    keygate(0, 'jwks', 'rotate', '--now');
    const kid = keygate(0, 'jwks', 'list')['keys'] as { kid: string; state: string }[];
    const active = kid.find((one) => one.state === 'active')?.kid as string;
    const token = await mint(0, key);
    expect(decodeProtectedHeader(token).kid).toBe(active);
    await soon(1, token).toBe(200);
    keygate(1, 'jwks', 'revoke', active);
    await soon(0, token).toBe(401);
    await soon(1, token).toBe(401);
    await expect.poll(async () => decodeProtectedHeader(await mint(0, key)).kid).not.toBe(active);
    await soon(1, await mint(0, key)).toBe(200);
  });

  it('publishes the keys of all nodes, and says how it is', async () => {
    const published = await nodes[1].send('/.well-known/jwks.json');
    const kids = (published.json()['keys'] as { kid: string }[]).map(({ kid }) => kid);
    for (const { stateDir } of nodes) {
      const own = JSON.parse(readFileSync(join(stateDir, 'public', 'jwks.json'), 'utf8')) as {
        keys: { kid: string }[];
      };
      for (const { kid } of own.keys) expect(kids).toContain(kid);
    }
    const metrics = async () => (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
    await expect.poll(metrics, { timeout: 15000 }).toContain('keygate_cluster_nodes 2\n');
    expect(await metrics()).toContain('keygate_cluster_store_up 1\n');
  });

  it('goes on while the store is away; a revocation counts at once here, and there on its return', async () => {
    const key = keygate(0, 'key', 'new', 'dora')['key'] as string;
    await soon(1, key).toBe(200);
    await store.kill();
    expect(() => keygate(0, 'key', 'new', 'eve')).toThrow('nothing was changed');
    expect(keygate(0, 'key', 'revoke', 'dora')).toMatchObject({ published: false });
    await soon(0, key).toBe(401);
    expect(await status(1, key)).toBe(200);
    await store.start(); // empty, as nothing was saved
    await soon(1, key, 3000).toBe(401);
    const next = keygate(1, 'key', 'new', 'frank')['key'] as string;
    await soon(0, next).toBe(200);
  });
});
