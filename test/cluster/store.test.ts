// The snapshot in a real store: two writers at once, and an attacker who writes there.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openConnection, type Connection } from '../../cluster/connection.js';
import { emptySnapshot } from '../../cluster/merge.js';
import { openClusterKeys } from '../../cluster/seal.js';
import { fetchSnapshot, glance, publishSnapshot, stampOf } from '../../cluster/store.js';
import { clusterSettings } from './harness/settings.js';
import { startStore, storeKinds, type StoreServer, type TestClient } from './harness/store_server.js';

describe.each(storeKinds)('the snapshot in %s', (kind) => {
  let store: StoreServer;
  let connection: Connection;
  let client: TestClient;
  const settings = clusterSettings('redis://127.0.0.1:1');
  const keys = openClusterKeys(settings);
  const snapshot = { ...emptySnapshot, number: 1, keys: ['a:plain-secret-key'] };
  const stamp = stampOf(snapshot, keys);

  beforeAll(async () => {
    store = await startStore({ kind });
    client = await store.client();
    connection = openConnection({ ...settings, redis: clusterSettings(store.url).redis });
    await connection.tried();
  });
  afterAll(async () => {
    connection.close();
    await store.stop();
  });
  beforeEach(() => client.sendCommand(['FLUSHALL']));

  it('is read as it was written, and shows nothing to others', async () => {
    expect(await glance(connection, keys)).toEqual({ secret: 'none', stamp: '' });
    expect(await fetchSnapshot(connection, keys)).toBeUndefined();
    expect(await publishSnapshot(connection, keys, { before: '', snapshot })).toBe('published');
    expect(await glance(connection, keys)).toEqual({ secret: 'ours', stamp });
    expect(await fetchSnapshot(connection, keys)).toEqual(snapshot);
    expect(await client.get('keygate:snapshot')).not.toContain('plain-secret-key');
  });

  it('is told of on the channel', async () => {
    const heard: string[] = [];
    const listener = await store.client();
    await listener.subscribe('keygate:changes', (text) => void heard.push(text));
    await publishSnapshot(connection, keys, { before: '', snapshot });
    await expect.poll(() => heard).toEqual([stamp]);
  });

  it('is replaced by none who has not read it', async () => {
    await publishSnapshot(connection, keys, { before: '', snapshot });
    expect(await publishSnapshot(connection, keys, { before: '', snapshot })).toBe('changed');
    const next = { ...snapshot, number: 2 };
    const both = [1, 2].map(() => publishSnapshot(connection, keys, { before: stamp, snapshot: next }));
    expect((await Promise.all(both)).sort()).toEqual(['changed', 'published']);
  });

  it('is not written under the secret of others', async () => {
    await client.set('keygate:check', openClusterKeys(clusterSettings(store.url)).check);
    expect((await glance(connection, keys)).secret).toBe('other');
    expect(await publishSnapshot(connection, keys, { before: '', snapshot })).toBe('other secret');
    expect(await client.exists('keygate:snapshot')).toBe(0);
  });

  it.each([
    ['text', 'x'.repeat(100)],
    ['nothing', ''],
    ['a plain snapshot', JSON.stringify(snapshot)],
  ])('is refused where an attacker has put %s', async (_, text) => {
    await client.set('keygate:snapshot', text);
    expect(await fetchSnapshot(connection, keys)).toEqual({ fault: 'it does not open with CLUSTER_SECRET_FILE' });
  });

  it('is refused where a value sealed for something else stands', async () => {
    await client.set('keygate:snapshot', keys.seal('node a', JSON.stringify(snapshot)));
    expect(await fetchSnapshot(connection, keys)).toHaveProperty('fault');
  });
});
