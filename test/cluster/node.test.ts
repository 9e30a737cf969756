// An operator who gives Keygate a user of its own in the store, as docs/cluster.md says, and reads the sidecar's log.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { startTestNode, stopTestNodes, until } from './harness/nodes.js';
import { startStore, storeKinds, type StoreServer } from './harness/store_server.js';

let store: StoreServer | undefined;
afterEach(async () => {
  await stopTestNodes();
  await store?.stop();
});

const docs = readFileSync(join(import.meta.dirname, '../../docs/cluster.md'), 'utf8');
const user = / user keygate on >PASSWORD .*/.exec(docs)?.[0].trim() ?? '';

describe('a node', () => {
  it.each(storeKinds)('does all that it does as the user of docs/cluster.md, on %s', async (kind) => {
    store = await startStore({ kind, lines: [user, 'user default off', 'maxmemory-policy noeviction'] });
    const env = { REDIS_USER: 'keygate', REDIS_PASSWORD: 'PASSWORD' };
    const [a, b] = [await startTestNode({ url: store.url, env }), await startTestNode({ url: store.url, env })];
    await until(() => [a.facts().nodes, b.facts().nodes]).toEqual([2, 2]);
    await a.edit({ denied: ['jti:1'] });
    await until(() => b.snapshot()?.denied).toEqual(['jti:1']);
    const asked = await a.budgets.ask('key alice', { intervalMs: 1000, burst: 3 }, { want: 2, spent: 0 });
    expect(asked).toMatchObject({ granted: 2 });
    await until(() => readFileSync(join(a.stateDir, 'shared', 'jwks.json'), 'utf8')).toContain(b.kid);
    await b.close();
    expect(a.logged(/refuses|NOPERM|away/)).toEqual([]);
  });

  it('counts itself alone again when another has left, and says nothing of a store that stays', async () => {
    store = await startStore();
    const [a, b] = [await startTestNode({ url: store.url }), await startTestNode({ url: store.url })];
    await until(() => a.facts().nodes).toBe(2);
    await b.close();
    await until(() => a.facts().nodes).toBe(1);
    expect(readFileSync(join(a.stateDir, 'shared', 'nodes'), 'utf8')).toBe('1\n');
    expect(a.logged(/away|refuse|two nodes|clock/)).toEqual([]);
  });

  it('tells of a store that is away, without its password, and of its return', async () => {
    store = await startStore({ password: 's3cret-password' });
    const a = await startTestNode({ url: store.url, env: { REDIS_PASSWORD: 's3cret-password' } });
    await until(() => a.facts().storeUp).toBe(true);
    await store.kill();
    await until(() => a.facts().storeUp).toBe(false);
    await store.start();
    await until(() => a.facts().storeUp).toBe(true);
    const told = a.logged(/^the store redis:\S+ is away: /);
    expect(told).not.toEqual([]);
    expect([...new Set(told)], 'each reason once').toEqual(told);
    expect(a.logged(`the store ${store.url} is back`)).toHaveLength(1);
    expect(a.logged('s3cret')).toEqual([]);
  });
});
