// An admin who changes something on one node: with the store there, away, or another one than he thinks.

import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { changeSnapshot, type Content } from '../../cluster/change.js';
import { openConnection } from '../../cluster/connection.js';
import { emptySnapshot } from '../../cluster/merge.js';
import { openClusterKeys } from '../../cluster/seal.js';
import { editSnapshot, readSnapshot } from '../../cluster/snapshot_file.js';
import { fetchSnapshot } from '../../cluster/store.js';
import type { ClusterSettings } from '../../settings/cluster.js';
import { clusterSettings } from './harness/settings.js';
import { startStore, type StoreServer } from './harness/store_server.js';

let store: StoreServer;
let settings: ClusterSettings;
let stateDir: string;
beforeEach(async () => {
  store = await startStore();
  settings = clusterSettings(store.url);
  stateDir = mkdtempSync(join(tmpdir(), 'keygate-change-'));
  await editSnapshot(stateDir, () => emptySnapshot);
});
afterEach(() => store.stop());

const addKey = (line: string) => (content: Content) => ({ ...content, keys: [...content.keys, line] });
const deny = (line: string) => (content: Content) => ({ ...content, denied: [...content.denied, line] });
const change = (make: (content: Content) => Content, isRevocation = false) =>
  changeSnapshot({ settings, stateDir, isRevocation }, make);

async function readStore(): Promise<unknown> {
  const connection = openConnection(settings);
  await connection.tried();
  return fetchSnapshot(connection, openClusterKeys(settings)).finally(() => connection.close());
}

describe('changeSnapshot', () => {
  it('changes the store and this node', async () => {
    expect(await change(addKey('a:plainkey1'))).toEqual({ isPublished: true });
    const expected = { ...emptySnapshot, number: 1, keys: ['a:plainkey1'] };
    expect(await readStore()).toEqual(expected);
    expect(readSnapshot(stateDir)).toEqual(expected);
  });

  it('brings what the store did not know yet', async () => {
    await editSnapshot(stateDir, () => ({ ...emptySnapshot, number: 4, denied: ['jti:offline'] }));
    await change(addKey('a:plainkey1'));
    expect(await readStore()).toMatchObject({ number: 5, keys: ['a:plainkey1'], denied: ['jti:offline'] });
  });

  it('keeps changes of several admins at once', async () => {
    await Promise.all(Array.from({ length: 5 }, (_, i) => change(addKey(`a:plainkey${i}`))));
    expect(readSnapshot(stateDir)?.keys).toHaveLength(5);
    expect(await readStore()).toMatchObject({ number: 5, keys: readSnapshot(stateDir)?.keys });
  });

  it('does not make a node join that has not joined', async () => {
    const other = mkdtempSync(join(tmpdir(), 'keygate-change-'));
    await changeSnapshot({ settings, stateDir: other, isRevocation: false }, addKey('a:plainkey1'));
    expect(readSnapshot(other)).toBeUndefined();
    expect(await readStore()).toMatchObject({ number: 1 });
  });
});

describe('while the store is away', () => {
  beforeEach(() => store.kill());

  it('refuses a change, and changes nothing', async () => {
    await expect(change(addKey('a:plainkey1'))).rejects.toThrow(
      `nothing was changed, as the store redis://127.0.0.1:${store.port} is not usable: no connection (ECONNREFUSED)`,
    );
    expect(readSnapshot(stateDir)).toEqual(emptySnapshot);
  });

  it('revokes on this node at once', async () => {
    expect(await change(deny('jti:1'), true)).toEqual({ isPublished: false, reason: 'no connection (ECONNREFUSED)' });
    expect(readSnapshot(stateDir)).toMatchObject({ number: 0, denied: ['jti:1'] });
  });

  it('says so where the node has not joined, and so has nothing to revoke from', async () => {
    const other = mkdtempSync(join(tmpdir(), 'keygate-change-'));
    const changing = changeSnapshot({ settings, stateDir: other, isRevocation: true }, deny('jti:1'));
    await expect(changing).rejects.toThrow('nothing was changed');
    expect(readSnapshot(other)).toBeUndefined();
  });
});

describe('a store that others use', () => {
  it('with another secret is left alone; a revocation counts here', async () => {
    await change(addKey('a:plainkey1'));
    settings = clusterSettings(store.url);
    await expect(change(addKey('b:plainkey2'))).rejects.toThrow('have another cluster secret');
    expect(await change(deny('jti:1'), true)).toMatchObject({ isPublished: false });
    expect(readSnapshot(stateDir)?.denied).toEqual(['jti:1']);
  });

  it('with a damaged snapshot is left alone', async () => {
    await change(addKey('a:plainkey1'));
    await (await store.client()).set('keygate:snapshot', 'damaged');
    await expect(change(addKey('b:plainkey2'))).rejects.toThrow('its snapshot is not usable: it does not open');
  });
});
