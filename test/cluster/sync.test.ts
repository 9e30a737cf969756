// Nodes whose store loses, damages, hides or brings back what they share: no revoked key comes back, and nobody has to
// do anything afterwards.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseKeyFile } from '../../auth/key_file.js';
import type { KeyEntry } from '../../auth/key_record.js';
import { revokedName, type Snapshot } from '../../auth/snapshot.js';
import { changeSnapshot, type Content } from '../../cluster/change.js';
import { openClusterKeys } from '../../cluster/seal.js';
import { snapshotPath } from '../../cluster/snapshot_file.js';
import { nodePlatform } from '../../node/crypto.js';
import { startTestNode, stopTestNodes, until, clusterSecret, type TestNode } from './harness/nodes.js';
import { clusterSettings, makeSecretFile } from './harness/settings.js';
import { startStore, type StoreServer, type TestClient } from './harness/store_server.js';

let store: StoreServer;
let client: TestClient;
beforeEach(async () => {
  store = await startStore();
  client = await store.client();
});
afterEach(async () => {
  await stopTestNodes();
  await store.stop();
});

const start = (options: object = {}) => startTestNode({ url: store.url, ...options });
const startTwo = async (): Promise<[TestNode, TestNode]> => [await start({ name: 'a' }), await start({ name: 'b' })];
const deny = (node: TestNode, line: string) =>
  changeOn(node, (content) => ({ ...content, denied: [...content.denied, line] }));

function changeOn(node: TestNode, change: (content: Content) => Content) {
  const settings = clusterSettings(store.url, { CLUSTER_SECRET_FILE: clusterSecret });
  return changeSnapshot({ settings, stateDir: node.stateDir, isRevocation: true }, change);
}

function nameOf(line: string): string {
  const [entry] = parseKeyFile(line, nodePlatform).entries;
  const { entrySecret } = openClusterKeys(clusterSettings(store.url, { CLUSTER_SECRET_FILE: clusterSecret }));
  return revokedName(entry as KeyEntry, entrySecret, nodePlatform);
}

const denied = (node: TestNode) => node.snapshot()?.denied;
const isFresh = (node: TestNode) => node.facts().stalenessSeconds < 1.5;

describe('a change on one node', () => {
  it('reaches the others at once, and all know that they have it', async () => {
    const [a, b] = await startTwo();
    await until(() => isFresh(b) && b.facts().storeUp).toBe(true);
    await deny(a, 'jti:1');
    await until(() => denied(b)).toEqual(['jti:1']);
    expect(b.snapshot()).toEqual(a.snapshot());
    await until(() => isFresh(a) && isFresh(b)).toBe(true);
  });

  it('reaches them also where no message does', async () => {
    const [a, b] = await startTwo();
    await until(() => b.facts().storeUp).toBe(true);
    await client.sendCommand(['CLIENT', 'KILL', 'TYPE', 'pubsub']);
    await deny(a, 'jti:1');
    await until(() => denied(b)).toEqual(['jti:1']);
  });

  it('made while the store was away is published on its return, from every node', async () => {
    const [a, b] = await startTwo();
    await until(() => a.facts().storeUp && b.facts().storeUp).toBe(true);
    await store.kill();
    expect(await deny(a, 'jti:a')).toMatchObject({ isPublished: false });
    expect(await deny(b, 'jti:b')).toMatchObject({ isPublished: false });
    expect([denied(a), denied(b)]).toEqual([['jti:a'], ['jti:b']]);
    await store.start();
    await until(() => [denied(a), denied(b)]).toEqual([
      ['jti:a', 'jti:b'],
      ['jti:a', 'jti:b'],
    ]);
    expect(a.snapshot()).toEqual(b.snapshot());
  });
});

describe('a store that was', () => {
  it('emptied gets the snapshot back, is told of, and commands work again within 2 s', async () => {
    const [a, b] = await startTwo();
    await deny(a, 'jti:1');
    await until(() => denied(b)).toEqual(['jti:1']);
    const before = a.snapshot() as Snapshot;
    await client.sendCommand(['FLUSHALL']);
    await until(() => client.exists('keygate:snapshot'), 2000).toBe(1);
    await until(
      () => a.logged('the store was emptied').length + b.logged('the store was emptied').length,
    ).toBeGreaterThan(0);
    expect(await deny(b, 'jti:2')).toEqual({ isPublished: true });
    await until(() => denied(a)).toEqual(['jti:1', 'jti:2']);
    expect(a.snapshot()?.number).toBeGreaterThan(before.number);
  });

  it('restored from an old backup does not bring back what was revoked', async () => {
    const [a, b] = await startTwo();
    await changeOn(a, (content) => ({ ...content, keys: ['kept-plain-key', 'gone-plain-key'] }));
    await until(() => b.snapshot()?.keys.length).toBe(2);
    await client.sendCommand(['SAVE']); // a start reads this file
    await changeOn(a, (content) => ({ ...content, revoked: [nameOf('gone-plain-key')] }));
    await until(() => b.snapshot()?.keys).toEqual(['kept-plain-key']);
    const before = a.snapshot() as Snapshot;
    await store.kill();
    await store.start();
    await until(() => client.get('keygate:number').catch(() => ''), 2500).toMatch(new RegExp(`^${before.number}:`));
    await until(() => isFresh(a) && isFresh(b)).toBe(true);
    expect([a.snapshot(), b.snapshot()]).toEqual([before, before]);
    expect(a.logged(/older snapshot/).length + b.logged(/older snapshot/).length).toBeGreaterThan(0);
  });

  it('damaged by somebody is refused, told of, and mended', async () => {
    const [a, b] = await startTwo();
    await deny(a, 'jti:1');
    await until(() => isFresh(a) && denied(b)?.length === 1).toBe(true);
    await client.mSet({ 'keygate:snapshot': 'x'.repeat(500), 'keygate:number': '99:forged' });
    const refused = "the store's snapshot is refused: it does not open";
    await until(() => a.logged(refused).length + b.logged(refused).length).toBeGreaterThan(0); // the first mends it
    await until(async () => (await client.get('keygate:number'))?.startsWith('99')).toBe(false);
    expect(await deny(b, 'jti:2')).toEqual({ isPublished: true });
    await until(() => denied(a)).toEqual(['jti:1', 'jti:2']);
  });

  it('given a number that is not its own is mended', async () => {
    const a = await start();
    await until(() => client.get('keygate:number')).toMatch(/^1:/);
    await client.set('keygate:number', '99:forged');
    await until(() => client.get('keygate:number')).toMatch(/^2:/);
    await until(() => a.snapshot()?.number).toBe(2);
  });

  it('full takes no change, is told of, and gets it when there is room', async () => {
    const [a, b] = await startTwo();
    await until(() => isFresh(a) && isFresh(b)).toBe(true);
    await client.configSet({ maxmemory: '1', 'maxmemory-policy': 'noeviction' });
    expect(await deny(a, 'jti:1')).toMatchObject({ isPublished: false });
    expect(denied(a)).toEqual(['jti:1']);
    await until(() => a.logged(/the store refuses what this node asks: it has no memory left/).length).toBe(1);
    expect(denied(b)).toEqual([]);
    await client.configSet('maxmemory', '0');
    await until(() => denied(b)).toEqual(['jti:1']);
  });

  it('shared with nodes of another secret is left alone, and told of', async () => {
    const a = await start();
    await until(() => a.facts().storeUp).toBe(true);
    const stranger = await start({ secretFile: makeSecretFile() });
    await until(() => stranger.logged('have another cluster secret').length).toBe(1);
    const before = await client.get('keygate:number');
    await stranger.edit({ denied: ['jti:stranger'] });
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(await client.get('keygate:number')).toBe(before);
    expect(stranger.facts()).toMatchObject({ storeUp: false, joined: true });
    expect(await client.hLen('keygate:nodes')).toBe(1);
    expect(denied(a)).toEqual([]);
    await client.sendCommand(['FLUSHALL']);
    await until(() => client.get('keygate:number')).toBe(before); // the stranger is not first
    expect(stranger.logged('have another').length).toBe(1);
  });
});

describe('the file of a node', () => {
  it('is written again where it is damaged or gone', async () => {
    const a = await start();
    await deny(a, 'jti:1');
    await until(() => isFresh(a)).toBe(true);
    const good = readFileSync(snapshotPath(a.stateDir), 'utf8');
    for (const damage of ['{', '']) {
      writeFileSync(snapshotPath(a.stateDir), damage);
      await until(() => readFileSync(snapshotPath(a.stateDir), 'utf8')).toBe(good);
    }
    rmSync(snapshotPath(a.stateDir));
    await until(() => denied(a)).toEqual(['jti:1']);
    expect(a.logged('it is written again').length).toBeGreaterThan(0);
  });

  it('that is damaged at the start keeps the node from joining, and is not written over', async () => {
    const a = await start();
    await until(() => a.facts().storeUp).toBe(true);
    await stopTestNodes();
    writeFileSync(snapshotPath(a.stateDir), '{"number":');
    const again = await startTestNode({ url: store.url, stateDir: a.stateDir, isNew: true });
    expect(again.facts().joined).toBe(false);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(readFileSync(snapshotPath(a.stateDir), 'utf8')).toBe('{"number":');
    expect(again.logged("can't use").length).toBe(1);
  });
});

describe('a node with an empty STATE_DIR', () => {
  it('joins when a live node confirms the number in the store', async () => {
    const a = await start();
    await deny(a, 'jti:1');
    const b = await start({ isNew: true });
    expect(b.facts().joined).toBe(false);
    await until(() => denied(b)).toEqual(['jti:1']);
    expect(b.logged('joined the cluster with snapshot').length).toBe(1);
  });

  it('waits 30 s for a live node where none is, and then goes on with a warning', async () => {
    const a = await start();
    await deny(a, 'jti:1');
    await stopTestNodes();
    const b = await start({ isNew: true });
    await new Promise((resolve) => setTimeout(resolve, 20000));
    expect(b.snapshot()).toBeUndefined();
    await until(() => denied(b), 20000).toEqual(['jti:1']);
    expect(b.logged('no live node has confirmed it within 30 s').length).toBe(1);
  }, 60000);

  it('begins a new cluster where the store is empty and nobody is there', async () => {
    const stateDir = mkdtempSync(join(tmpdir(), 'keygate-node-'));
    const a = await start({ isNew: true, stateDir });
    await until(() => a.snapshot()).toEqual({ number: 1, keys: [], revoked: [], denied: [] });
    expect(a.logged('first node of a new cluster').length).toBe(1);
    expect(await client.exists('keygate:snapshot')).toBe(1);
  });

  it('does not join while the store is away', async () => {
    await store.kill();
    const a = await start({ isNew: true });
    await new Promise((resolve) => setTimeout(resolve, 6000));
    expect(a.facts()).toMatchObject({ joined: false, storeUp: false });
    expect(a.facts().stalenessSeconds).toBeGreaterThan(5);
  });
});
