// Clients who spread their requests over the nodes of a cluster, to get a limit once on each; and nodes whose store is
// away and comes back. The sum over all nodes is what the limit says.

import { join } from 'node:path';
import { hashSync } from '@node-rs/bcrypt';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { hashKey } from '../../cli/keys/new_key.js';
import { readIfThere } from '../../node/state_files.js';
import type { RateLimit } from '../../auth/rate_limit.js';
import { makeSecretFile } from '../cluster/harness/settings.js';
import { startStore, type StoreServer } from '../cluster/harness/store_server.js';
import { startGateway, type Gateway } from './harness/gateway.js';
import { startUpstream, type TestUpstream } from './harness/upstream.js';
import { variants, type Variant } from './harness/variants.js';

interface Passed {
  startMs: number;
  endMs: number;
}

/** Of what passed within any window, no more than the limit says: only a request that is whole in the window counts. */
function expectWithin(passed: Passed[], { intervalMs, burst }: RateLimit): void {
  for (const { startMs: from } of passed) {
    const ends = passed.filter(({ startMs }) => startMs >= from).map(({ endMs }) => endMs);
    ends.sort((a, b) => a - b);
    ends.forEach((end, i) => {
      const most = burst + 1 + Math.floor((end - from) / intervalMs + 1e-6);
      expect(i + 1, `${end - from} ms`).toBeLessThanOrEqual(most);
    });
  }
}

const line = async (key: string, attributes: string) => `${key}:${await hashKey(key, false)} ${attributes}\n`;

let store: StoreServer;
let upstream: TestUpstream;
let nodes: Gateway[] = [];
const secret = makeSecretFile();

beforeAll(async () => {
  store = await startStore();
  upstream = await startUpstream();
});
afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.stop()));
});
afterAll(async () => {
  await upstream?.close();
  await store?.stop();
});

let clusters = 0;

/** Starts the nodes of a new cluster, and waits until all have joined and see each other. */
async function open(count: number, variant: Variant, options: { keys?: string; env?: { [name: string]: string } }) {
  const shared = { REDIS_URL: store.url, REDIS_PREFIX: `c${++clusters}`, CLUSTER_SECRET_FILE: secret, ...options.env };
  const started = Array.from({ length: count }, (_, i) => {
    const env = { ...shared, NODE_NAME: `node-${i}` };
    return startGateway({ variant, upstream, keys: options.keys ?? '', workers: 2, env });
  });
  nodes = await Promise.all(started);
  const haveJoined = async () => {
    for (const { send, stateDir } of nodes) {
      expect((await send('/health/ready')).status).toBe(200);
      expect(readIfThere(join(stateDir, 'shared', 'nodes')) ?? '1\n').toBe(`${count}\n`);
    }
  };
  await vi.waitFor(haveJoined, { timeout: 60000, interval: 200 });
}

const ask = (node: number, key: string, path = '/v1/models') =>
  (nodes[node] as Gateway).send(path, { headers: { 'x-api-key': key } });
// A busy machine may leave a question to the store without an answer in time. Then the request gets 503, what the store
// granted is lost, and the test begins anew.
const tooBusy = 'no answer of the store in time';
const askInTime = async (node: number, key: string) => {
  const answer = await ask(node, key);
  if (answer.status === 503) throw new Error(tooBusy);
  return answer;
};
const statuses = async (count: number, asking: (i: number) => Promise<{ status: number }>) => {
  const answers = await Promise.all(Array.from({ length: count }, (_, i) => asking(i)));
  return answers.map(({ status }) => status);
};
const oneByOne = async (count: number, asking: (i: number) => Promise<{ status: number }>) => {
  const all: number[] = [];
  for (let i = 0; i < count; i++) all.push((await asking(i)).status);
  return all;
};

/** Sends requests at once, each to the node that `nodeOf` says; @returns what passed */
async function flood(key: string, count: number, nodeOf: (i: number) => number): Promise<Passed[]> {
  const passed: Passed[] = [];
  await Promise.all(Array.from({ length: count }, (_, i) => note(passed, () => askInTime(nodeOf(i), key))));
  return passed;
}

/** Keeps so many requests under way for a while. */
async function press(key: string, forMs: number, clients: number[]): Promise<Passed[]> {
  const passed: Passed[] = [];
  const endMs = performance.now() + forMs;
  const client = async (node: number) => {
    while (performance.now() < endMs) await note(passed, () => ask(node, key));
  };
  await Promise.all(clients.map(client));
  return passed;
}

async function note(passed: Passed[], asking: () => Promise<{ status: number }>): Promise<void> {
  const startMs = performance.now();
  const { status } = await asking();
  expect([200, 429, 503]).toContain(status);
  if (status === 200) passed.push({ startMs, endMs: performance.now() });
}

const storedBudgets = async () => (await (await store.client()).keys(`c${clusters}:budget:*`)).length;

const patience = { timeout: 120000, retry: { count: 5, condition: new RegExp(tooBusy) } };

describe.each(variants)('$name: limits over nodes', patience, (variant) => {
  it('admits exactly one of 200 requests that come at once to 2 nodes', async () => {
    const keys = (await line('alice', 'rate=2/m burst=0')) + (await line('bob', 'rate=60/m burst=0'));
    await open(2, variant, { keys });
    expect(await flood('alice', 200, (i) => i % 2)).toHaveLength(1);
    const passed = await flood('bob', 200, (i) => i % 2);
    expect(passed).not.toEqual([]);
    expectWithin(passed, { intervalMs: 1000, burst: 0 });
  });

  it('counts failed credentials of an address once for all nodes, and then tries no bcrypt key', async () => {
    const keys = `carol:${hashSync('the-key-of-carol', 4)}\n${await line('dave', '')}`;
    await open(2, variant, { keys, env: { RATE_LIMIT_AUTH: '1r/m', RATE_LIMIT_AUTH_BURST: '5' } });
    const wrong = await oneByOne(8, (i) => askInTime(i % 2, `wrong-${i}`));
    expect(wrong).toEqual([401, 401, 401, 401, 401, 401, 429, 429]);
    for (const node of [0, 1]) {
      const hashed = await askInTime(node, 'the-key-of-carol');
      expect([hashed.status, Number(hashed.headers['retry-after']) > 30]).toEqual([429, true]);
      expect((await askInTime(node, 'dave')).status).toBe(200);
    }
  });
});

describe.each(variants)('$name: requests that wait for the store at the same time', patience, (variant) => {
  it('reach the upstream as their own principals, with headers of their own limits', async () => {
    const names = Array.from({ length: 40 }, (_, i) => `holder-${i}`);
    const lines = names.map((name, i) => line(name, `rate=1/h burst=${100 + i}`)); // no leases: each request asks
    await open(2, variant, { keys: (await Promise.all(lines)).join('') });
    const before = upstream.arrived.length;
    for (let round = 0; round < 8; round++) {
      const asking = names.map(async (name, i) => {
        const answer = await ask(round % 2, name, `/v1/models?of=${name}`);
        if (answer.status === 503) return; // the sidecar had no time
        expect([answer.status, answer.headers['x-ratelimit-limit-requests']]).toEqual([200, String(101 + i)]);
      });
      await Promise.all(asking);
    }
    const seen = upstream.arrived.slice(before).map(({ target, headers }) => [target, headers['x-auth-user']]);
    expect(seen.length).toBeGreaterThan(names.length);
    for (const [target, user] of seen) expect(user).toBe(String(target).split('=')[1]);
  });
});

// What follows does not depend on the engine.
const variant = variants.find(({ entry, engine }) => entry === 'auth_request' && engine === 'qjs') as Variant;

describe('five nodes', patience, () => {
  it('admit the limit of one together, and not more in any window, whoever is asked how much', async () => {
    const keys =
      (await line('alice', 'rate=2/m burst=0')) +
      (await line('even', 'rate=20/s burst=40')) +
      (await line('skew', 'rate=20/s burst=40'));
    await open(5, variant, { keys });
    expect(await flood('alice', 200, (i) => i % 5)).toHaveLength(1);
    const limit = { intervalMs: 50, burst: 40 };
    for (const [key, clients] of [
      ['even', [0, 1, 2, 3, 4]],
      ['skew', [0, 0, 0, 0, 1, 2]],
    ] as const) {
      const passed = await press(key, 3000, [...clients, ...clients]);
      expectWithin(passed, limit);
      expect(passed.length, key).toBeGreaterThan(limit.burst / 2);
    }
    expect(await storedBudgets()).toBeGreaterThan(0);
  });
});

describe('a store that is away', patience, () => {
  const keys = async () => (await line('alice', 'rate=1/h burst=9')) + (await line('bob', 'rate=1/h burst=1'));
  afterEach(async () => {
    await store.kill();
    await store.start();
  });

  it('leaves the node what it knew of a limit, and counts again after its return', async () => {
    await open(1, variant, { keys: (await keys()) + (await line('erin', 'rate=1/h burst=200')) });
    expect(await oneByOne(4, () => askInTime(0, 'alice'))).toEqual([200, 200, 200, 200]);
    await store.kill();
    expect((await statuses(20, () => askInTime(0, 'alice'))).filter((status) => status === 200)).toHaveLength(6);
    await store.start();
    await vi.waitFor(async () => {
      expect((await ask(0, 'erin')).status).toBe(200);
      expect(await storedBudgets()).toBe(1);
    }, 20000);
  });

  it('leaves each of two nodes half of a limit, less what it knew to be spent', async () => {
    await open(2, variant, { keys: await keys() });
    expect(await oneByOne(4, () => askInTime(0, 'alice'))).toEqual([200, 200, 200, 200]);
    await askInTime(1, 'bob'); // the store tells node 1 how many nodes there are
    await store.kill();
    const passed = async (node: number) =>
      (await statuses(20, () => askInTime(node, 'alice'))).filter((status) => status === 200).length;
    expect([await passed(0), await passed(1)]).toEqual([3, 5]);
  });

  it('leaves no request of a limit with REDIS_DOWN=closed, and all others', async () => {
    const all = (await keys()) + (await line('free', ''));
    await open(1, variant, { keys: all, env: { REDIS_DOWN: 'closed', RATE_LIMIT_AUTH: '1r/m' } });
    expect((await askInTime(0, 'alice')).status).toBe(200);
    await store.kill();
    const refused = await ask(0, 'alice');
    expect([refused.status, refused.json().error.code]).toEqual([503, 'overloaded']);
    expect((await ask(0, 'wrong')).status).toBe(503);
    expect((await ask(0, 'free')).status).toBe(200);
    await store.start();
    await vi.waitFor(async () => expect((await ask(0, 'alice')).status).toBe(200), 20000);
  });

  it('stands still for 30 s: leaves nothing for a moment, then its share to each node', async () => {
    await open(2, variant, { keys: (await keys()) + (await line('erin', 'rate=1/h burst=200')) });
    expect((await askInTime(0, 'alice')).status).toBe(200);
    store.signal('SIGSTOP');
    const stoppedMs = performance.now();
    expect([200, 503]).toContain((await ask(0, 'alice')).status); // 503 until it is sure that the store is away
    await vi.waitFor(async () => expect((await ask(0, 'alice')).status).toBe(200), { timeout: 20000 });
    const passed = async (node: number) =>
      (await statuses(20, () => ask(node, 'alice'))).filter((status) => status === 200).length;
    expect(await passed(0)).toBeLessThanOrEqual(3);
    await vi.waitFor(async () => expect((await ask(1, 'alice')).status).toBe(200), { timeout: 20000 });
    while (performance.now() - stoppedMs < 30000) {
      expect((await ask(0, 'alice')).status).toBe(429);
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
    store.signal('SIGCONT');
    await vi.waitFor(async () => {
      expect((await ask(0, 'erin')).status).toBe(200);
      expect(await storedBudgets()).toBe(2);
    }, 20000);
    expect(await passed(1)).toBeLessThanOrEqual(9 - 2);
  });

  it('is not asked about a budget that is spent', async () => {
    await open(1, variant, { keys: await keys() });
    await oneByOne(3, () => askInTime(0, 'bob'));
    const client = await store.client();
    await client.configResetStat();
    expect(await statuses(50, () => askInTime(0, 'bob'))).toEqual(Array(50).fill(429));
    expect(String(await client.sendCommand(['INFO', 'commandstats']))).not.toContain('cmdstat_evalsha');
  });

  it('and a sidecar that is away leave the same', async () => {
    await open(1, variant, { keys: await keys() });
    expect((await askInTime(0, 'alice')).status).toBe(200);
    await nodes[0]?.sidecar?.stop();
    expect((await statuses(20, () => askInTime(0, 'alice'))).filter((status) => status === 200)).toHaveLength(9);
  });
});

describe('the headers of a limit', patience, () => {
  it('say what the store said, over all nodes', async () => {
    await open(2, variant, { keys: await line('alice', 'rate=1/h burst=6') });
    const remaining = async (node: number) =>
      Number((await askInTime(node, 'alice')).headers['x-ratelimit-remaining-requests']);
    expect([await remaining(0), await remaining(0), await remaining(1), await remaining(0)]).toEqual([6, 5, 4, 3]);
    await oneByOne(3, () => askInTime(1, 'alice'));
    const refused = await askInTime(0, 'alice');
    expect(refused.status).toBe(429);
    expect(refused.headers['x-ratelimit-remaining-requests']).toBe('0');
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(3500);
  });
});
