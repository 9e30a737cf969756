// An operator one of whose machines is cut off: nothing arrives any longer, and nobody says so. Its node goes on, knows
// that it is cut off, and has what it missed soon after.

import { mkdtempSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ClusterFacts } from '../../cluster/node.js';
import { readSnapshot } from '../../cluster/snapshot_file.js';
import { clusterSecret, startTestNode, stopTestNodes, until, type TestNode } from '../cluster/harness/nodes.js';
import { makePartition, type Partition } from '../cluster/harness/partition.js';

const program = join(import.meta.dirname, '../../dist/verifier.js');
const stateDir = mkdtempSync(join(tmpdir(), 'keygate-cut-off-'));
let partition: Partition;
let near: TestNode;
let far: ReturnType<Partition['spawn']>;

beforeAll(async () => {
  partition = await makePartition();
  near = await startTestNode({ url: partition.url, name: 'near' });
  far = partition.spawn(process.execPath, [program], {
    ...process.env,
    STATE_DIR: stateDir,
    API_KEYS_FILE: join(stateDir, 'keys.txt'),
    REDIS_URL: partition.urlWithin,
    CLUSTER_SECRET_FILE: clusterSecret,
    NODE_NAME: 'far',
    BCRYPT_THREADS: '1',
  });
});
afterAll(async () => {
  far?.kill('SIGKILL');
  await stopTestNodes();
  await partition?.stop();
});

// A Unix socket belongs to no network.
function ask(route: string, question: object): Promise<{ [name: string]: unknown }> {
  return new Promise((resolve) => {
    const options = { socketPath: join(stateDir, 'run', 'verifier.sock'), path: route, method: 'POST' };
    const sent = request({ ...options, headers: { 'content-type': 'application/vnd.keygate+json' } }, (response) => {
      let text = '';
      response.on('data', (part: Buffer) => (text += part.toString()));
      response.on('end', () => resolve(JSON.parse(text) as { [name: string]: unknown }));
    });
    sent.on('error', () => resolve({}));
    sent.end(JSON.stringify(question));
  });
}

const facts = async () => ((await ask('/health', {}))['cluster'] ?? {}) as Partial<ClusterFacts>;
const lease = () => ask('/lease', { budget: 'key alice', intervalMs: 1000, burst: 9, want: 1, spent: 0 });
const patience = 60000;

it(
  'a node whose wire is pulled goes on, and has what it missed once the wire is back',
  { timeout: 120000 },
  async () => {
    await until(async () => (await facts()).joined, patience).toBe(true);
    await until(async () => (await facts()).nodes, patience).toBe(2);
    await near.edit({ denied: ['jti:1'] });
    await until(() => readSnapshot(stateDir)?.denied, patience).toEqual(['jti:1']);
    await until(async () => (await lease())['granted'], patience).toBe(1);

    await partition.pull();
    await until(async () => (await facts()).storeUp, patience).toBe(false);
    await until(async () => (await lease())['away'], patience).toBe(true);
    await near.edit({ denied: ['jti:1', 'jti:2'] });
    await until(async () => ((await facts()).stalenessSeconds ?? 0) > 3, patience).toBe(true);
    expect(readSnapshot(stateDir)?.denied).toEqual(['jti:1']);
    expect((await facts()).nodes).toBe(2); // as it saw last
    await until(() => near.facts().nodes, patience).toBe(1);

    await partition.plug();
    await until(() => readSnapshot(stateDir)?.denied, patience).toEqual(['jti:1', 'jti:2']);
    await until(async () => (await lease())['granted'], patience).toBe(1);
    await until(() => near.facts().nodes, patience).toBe(2);
  },
);
