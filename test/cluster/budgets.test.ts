// Nodes that ask one store for the same budget at once, a store that holds what is none, and a store that is away: no
// node is ever granted what the limit does not say.

import { createHash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { RateLimit } from '../../auth/rate_limit.js';
import { openBudgets, shareOut, type Budgets, type Grant, type Granted } from '../../cluster/budgets.js';
import { openConnection, type Connection } from '../../cluster/connection.js';
import { clusterSettings } from './harness/settings.js';
import { startStore, storeKinds, type StoreServer, type TestClient } from './harness/store_server.js';

const digest = (content: string) => createHash('sha256').update(`secret ${content}`).digest('base64url');
const hour: RateLimit = { intervalMs: 3600000, burst: 9 };
const slow = 'alice';
const want = (count: number) => ({ want: count, spent: 0 });

describe.each(storeKinds)('budgets in %s', (kind) => {
  let store: StoreServer;
  let client: TestClient;
  const opened: Connection[] = [];

  beforeAll(async () => {
    store = await startStore({ kind });
    client = await store.client();
  });
  afterEach(async () => {
    for (const connection of opened.splice(0)) connection.close();
    await client.flushAll();
  });
  afterAll(() => store?.stop());

  const open = async (): Promise<Budgets> => {
    const connection = openConnection(clusterSettings(store.url));
    opened.push(connection);
    expect(await connection.tried()).toEqual({ store: 'up', reason: '' });
    return openBudgets({ connection, digest });
  };
  const keyOf = async () => (await client.keys('*budget*'))[0] as string;
  const grantedOf = (grants: Granted[]) => grants.reduce((sum, grant) => sum + (grant as Grant).granted, 0);

  it('grants exactly the burst and one to all who ask at once, from any node', async () => {
    const nodes = await Promise.all([open(), open(), open()]);
    const asking = nodes.flatMap((node) => Array.from({ length: 40 }, () => node.ask(slow, hour, want(1))));
    const grants = await Promise.all(asking);
    expect(grantedOf(grants)).toBe(10);
    expect(grantedOf([await (nodes[0] as Budgets).ask('bob', hour, want(4))])).toBe(4);
  });

  it('says when one more request is due, when the bucket is full again, and grants one then', async () => {
    const node = await open();
    const limit = { intervalMs: 200, burst: 1 };
    expect(await node.ask(slow, limit, want(3))).toEqual({
      granted: 2,
      retryAfterMs: expect.closeTo(200, 0) as number,
      pendingMs: expect.closeTo(400, 0) as number,
    });
    const refused = (await node.ask(slow, limit, want(1))) as Grant;
    expect(refused).toMatchObject({ granted: 0 });
    expect(refused.retryAfterMs).toBeGreaterThan(0);
    expect(refused.pendingMs - refused.retryAfterMs).toBeCloseTo(200, 1);
    await new Promise((resolve) => setTimeout(resolve, refused.retryAfterMs + 2));
    expect(await node.ask(slow, limit, want(5))).toMatchObject({ granted: 1 });
  });

  it('only looks where nothing is wanted', async () => {
    const node = await open();
    expect(await node.ask(slow, hour, want(0))).toEqual({ granted: 0, retryAfterMs: 0, pendingMs: 0 });
    expect(await client.keys('*')).toEqual([]);
    await node.ask(slow, hour, want(10));
    const looked = (await node.ask(slow, hour, want(0))) as Grant;
    expect(looked.retryAfterMs).toBeGreaterThan(3590000);
  });

  it('charges what has passed without it, and a bucket never holds less than nothing', async () => {
    const node = await open();
    expect(await node.ask(slow, hour, { want: 2, spent: 5 })).toMatchObject({ granted: 2 });
    expect(await node.ask(slow, hour, { want: 0, spent: 1 })).toMatchObject({ granted: 0, retryAfterMs: 0 });
    expect(await node.ask(slow, hour, { want: 9, spent: 0 })).toMatchObject({ granted: 2 });
    const over = (await node.ask(slow, hour, { want: 1, spent: 1000 })) as Grant;
    expect([over.granted, over.pendingMs]).toEqual([0, expect.closeTo(10 * hour.intervalMs, 0)]);
  });

  it('keeps exact count of a rate whose interval is no whole number', async () => {
    const node = await open();
    const limit = { intervalMs: 30000 / 7, burst: 999999 };
    expect(await node.ask(slow, limit, want(999999))).toMatchObject({ granted: 999999 });
    expect(await node.ask(slow, limit, want(5))).toMatchObject({ granted: 1 });
    expect(await node.ask(slow, limit, want(5))).toMatchObject({ granted: 0 });
  });

  it('leaves buckets that run out by themselves, under names that tell nothing', async () => {
    const node = await open();
    await node.ask('key alice@example.com', { intervalMs: 1000, burst: 5 }, want(2));
    const key = await keyOf();
    expect(key).toMatch(/^keygate:budget:[\w-]{22,}$/);
    const ttl = await client.pTTL(key);
    expect(ttl).toBeGreaterThan(2000);
    expect(ttl).toBeLessThanOrEqual(3000);
  });

  it.each(['', 'no number', 'nan', '-inf', '12 13', '-99999999999999'])('counts %j as a full bucket', async (text) => {
    const node = await open();
    await node.ask(slow, hour, want(10));
    await client.set(await keyOf(), text);
    expect(await node.ask(slow, hour, want(100))).toMatchObject({ granted: 10 });
    expect(await node.ask(slow, hour, want(1))).toMatchObject({ granted: 0 });
  });

  it.each(['inf', '1e300'])('counts %s, a time of another clock, as a bucket that is empty now', async (text) => {
    const node = await open();
    await node.ask(slow, hour, want(1));
    await client.set(await keyOf(), text);
    expect(await node.ask(slow, hour, want(1))).toEqual({
      granted: 0,
      retryAfterMs: expect.closeTo(hour.intervalMs, 0) as number,
      pendingMs: expect.closeTo(10 * hour.intervalMs, 0) as number,
    });
  });

  it('takes the place of a value of another type', async () => {
    const node = await open();
    await node.ask(slow, hour, want(1));
    const key = await keyOf();
    await client.del(key);
    await client.lPush(key, 'x');
    expect(await node.ask(slow, hour, want(20))).toMatchObject({ granted: 10 });
    expect(await node.ask(slow, hour, want(1))).toMatchObject({ granted: 0 });
  });

  it('joins what is asked in one moment into one call, and shares it out', async () => {
    const node = await open();
    await node.ask(slow, hour, want(0)); // the store has the script now
    const before = await calls(client);
    const grants = await Promise.all([
      node.ask(slow, hour, want(8)),
      node.ask(slow, hour, want(0)),
      node.ask(slow, hour, want(5)),
    ]);
    expect(grants.map((grant) => (grant as Grant).granted)).toEqual([8, 0, 2]);
    expect(new Set(grants.map((grant) => (grant as Grant).pendingMs)).size).toBe(1);
    expect((await calls(client)) - before).toBe(1);
  });

  it('asks again with the script where the store has lost it', async () => {
    const node = await open();
    await node.ask(slow, hour, want(7));
    await client.scriptFlush();
    expect(await node.ask(slow, hour, want(7))).toMatchObject({ granted: 3 });
  });

  it('says late of a store that stands still, and nothing once no connection could be made', async () => {
    const node = await open();
    await node.ask(slow, hour, want(1));
    store.signal('SIGSTOP');
    const startedMs = performance.now();
    expect(await node.ask(slow, hour, want(1))).toBe('late');
    expect(performance.now() - startedMs).toBeLessThan(1000);
    await expect.poll(() => node.ask(slow, hour, want(0)), { timeout: 20000 }).toBeUndefined();
    store.signal('SIGCONT');
    await expect.poll(() => node.ask(slow, hour, want(0)), { timeout: 20000 }).toMatchObject({ granted: 0 });
  });

  it('says nothing of a store that is gone', async () => {
    const node = await open();
    await store.kill();
    await expect.poll(() => node.ask(slow, hour, want(1)), { timeout: 20000 }).toBeUndefined();
    await store.start();
    await client.ping();
  });

  it('says nothing where the store refuses, and is there', async () => {
    const node = await open();
    await client.configSet({ maxmemory: '1', 'maxmemory-policy': 'noeviction' });
    expect(await node.ask(slow, hour, want(1))).toBeUndefined();
    await client.configSet('maxmemory', '0');
    expect(await node.ask(slow, hour, want(1))).toMatchObject({ granted: 1 });
  });
});

async function calls(client: TestClient): Promise<number> {
  const info = String(await client.sendCommand(['INFO', 'commandstats']));
  return Number(/cmdstat_evalsha:calls=(\d+)/.exec(info)?.[1] ?? 0);
}

describe('an answer that makes no sense', () => {
  it.each([
    [[5, 0, 0]],
    [[-1, 0, 0]],
    [[1, 0]],
    [[1, 0, 0, 0]],
    [['1', 0, 0]],
    [[0.5, 0, 0]],
    [[1, NaN, 0]],
    [[1, 0, -1]],
    ['OK'],
    [null],
  ])('counts as none: %j', async (answer) => {
    const connection = {
      runScript: () => Promise.resolve(answer),
      name: String,
      state: () => ({ store: 'silent' as const, reason: '' }),
    };
    expect(await openBudgets({ connection, digest }).ask(slow, hour, want(2))).toBeUndefined();
  });
});

describe('what is granted', () => {
  it.each([
    [0, [1, 2], [0, 0]],
    [1, [4, 2], [1, 0]],
    [2, [4, 2], [1, 1]],
    [4, [4, 2], [3, 1]],
    [5, [3, 0, 4], [3, 0, 2]],
    [6, [4, 2], [4, 2]],
  ])('%i for %j is shared out as %j', (granted, wanted, expected) => {
    expect(shareOut(granted, wanted)).toEqual(expected);
  });
});
