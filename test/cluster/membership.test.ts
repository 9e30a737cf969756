// An operator who counts his nodes, names two alike, or lets a clock go wrong; and an attacker who records heartbeats.

import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openConnection, type Connection } from '../../cluster/connection.js';
import { limitLog } from '../../cluster/limited_log.js';
import { Membership } from '../../cluster/membership.js';
import { openClusterKeys } from '../../cluster/seal.js';
import { clusterSettings } from './harness/settings.js';
import { startStore, type StoreServer, type TestClient } from './harness/store_server.js';

let store: StoreServer;
let client: TestClient;
let connection: Connection;
let logged: string[];
const settings = clusterSettings('redis://127.0.0.1:1');
const keys = openClusterKeys(settings);
beforeAll(async () => {
  store = await startStore();
  client = await store.client();
});
afterAll(() => store.stop());
beforeEach(async () => {
  await client.sendCommand(['FLUSHALL']);
  connection = openConnection({ ...settings, redis: clusterSettings(store.url).redis });
  await connection.tried();
  logged = [];
});
afterEach(() => connection.close());

const makeStateDir = () => mkdtempSync(join(tmpdir(), 'keygate-membership-'));
function open(nodeName: string, options: { stateDir?: string; now?: () => number } = {}): Membership {
  const log = (text: string) => void logged.push(text);
  const limited = limitLog({ info: log, warn: log, error: log });
  const { stateDir = makeStateDir(), now = Date.now } = options;
  return new Membership({ connection, keys, nodeName, stateDir, log: limited, now });
}

async function beat(nodes: Membership[], times: number, stamp = '1:x'): Promise<void> {
  for (let i = 0; i < times; i++) for (const node of nodes) await node.beat(stamp);
}

describe('nodes', () => {
  it('are counted while their heartbeats go on', async () => {
    const nodes = ['a', 'b', 'c'].map((name) => open(name));
    await beat(nodes, 6);
    expect(nodes.map((node) => node.count())).toEqual([3, 3, 3]);
    await beat(nodes.slice(0, 2), 6);
    expect(nodes.slice(0, 2).map((node) => node.count())).toEqual([2, 2]);
  });

  it('stay counted while the store is away', async () => {
    const nodes = ['a', 'b'].map((name) => open(name));
    await beat(nodes, 6);
    connection.close();
    for (let i = 0; i < 10; i++) await expect(nodes[0]?.beat('1:x')).rejects.toThrow();
    expect(nodes[0]?.count()).toBe(2);
  });

  it('are as many after a restart as before, until it has looked for a while', async () => {
    const stateDir = makeStateDir();
    const nodes = [open('a', { stateDir }), open('b'), open('c')];
    await beat(nodes, 6);
    const restarted = open('a', { stateDir });
    expect(restarted.count()).toBe(3);
    await beat([restarted], 6);
    expect(restarted.count()).toBe(1);
  });

  it('that left or died are taken out of the store', async () => {
    const [a, b, c] = ['a', 'b', 'c'].map((name) => open(name)) as [Membership, Membership, Membership];
    await beat([a, b, c], 2);
    await b.leave();
    expect(await client.hLen('keygate:nodes')).toBe(2);
    await beat([a], 62);
    expect(await client.hLen('keygate:nodes')).toBe(1);
  });
});

describe('a heartbeat', () => {
  it('shows nothing to others, and counts for nothing where it was forged, recorded or moved', async () => {
    const [a, b] = ['a', 'b'].map((name) => open(name)) as [Membership, Membership];
    await beat([a, b], 3);
    const fields = await client.withTypeMapping({ 36: Buffer }).hGetAll('keygate:nodes');
    const [field, recorded] = Object.entries(fields).find(([name]) => name.startsWith('b:')) as [string, Buffer];
    expect(recorded.toString('latin1')).not.toContain('unixMs');
    await b.leave();
    for (let i = 0; i < 6; i++) {
      await client.hSet('keygate:nodes', { [field]: recorded, 'c:moved': recorded, 'd:forged': 'x'.repeat(300) });
      await a.beat('1:x');
    }
    expect(a.count()).toBe(1);
  });

  it('confirms a snapshot only where it was made after the start of who asks', async () => {
    const old = open('old');
    await beat([old], 3, '7:new');
    const joining = open('joining');
    await joining.beat('');
    await old.beat('7:new'); // it sees who joins, and says so from the next heartbeat on
    await joining.beat('');
    expect(joining.confirms('7:new')).toBe(false);
    await old.beat('7:new');
    await joining.beat('');
    expect(joining.confirms('7:new')).toBe(true);
    expect(joining.confirms('6:old')).toBe(false);
    expect(joining.newestNumber()).toBe(7);
  });

  it('of a node that has not joined confirms nothing', async () => {
    const nodes = ['a', 'b'].map((name) => open(name));
    await beat(nodes, 4, '');
    expect(nodes.map((node) => [node.confirms(''), node.hasJoinedOthers(), node.newestNumber()])).toEqual([
      [false, false, -1],
      [false, false, -1],
    ]);
  });
});

describe('a warning', () => {
  it('names two nodes of one name, on both, once a minute', async () => {
    const nodes = [open('same'), open('same')];
    await beat(nodes, 5);
    expect(logged).toEqual(Array(2).fill('two nodes have the name same: give each node a NODE_NAME of its own'));
    expect(nodes[0]?.count()).toBe(2);
  });

  it('does not come from a node that was started again', async () => {
    await beat([open('a')], 3);
    await beat([open('a')], 5);
    expect(logged).toEqual([]);
  });

  it('names the node whose clock is 5 minutes off', async () => {
    const nodes = [open('right'), open('wrong', { now: () => Date.now() - 300000 })];
    await beat(nodes, 4);
    expect(logged.sort()).toEqual([
      'the clock of node right is 300 s ahead of ours: tokens and limits need clocks that agree',
      'the clock of node wrong is 300 s behind ours: tokens and limits need clocks that agree',
    ]);
  });
});
