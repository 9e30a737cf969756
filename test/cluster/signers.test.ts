// A client whose token came from another node: through rotation, join, leave and an emptied store.

import { mkdirSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openConnection, type Connection } from '../../cluster/connection.js';
import { openClusterKeys } from '../../cluster/seal.js';
import { sharedJwksPath, Signers } from '../../cluster/signers.js';
import { makeSigningKey, writeSigningKeys } from '../../verifier/signing/stored_keys.js';
import { clusterSettings } from './harness/settings.js';
import { startStore, type StoreServer, type TestClient } from './harness/store_server.js';

let store: StoreServer;
let client: TestClient;
let connection: Connection;
const settings = clusterSettings('redis://127.0.0.1:1');
const keys = openClusterKeys(settings);
beforeAll(async () => {
  store = await startStore();
  client = await store.client();
  connection = openConnection({ ...settings, redis: clusterSettings(store.url).redis });
  await connection.tried();
});
afterAll(async () => {
  connection.close();
  await store.stop();
});
beforeEach(() => client.sendCommand(['FLUSHALL']));

let nowSeconds = 1800000000;

async function makeNode(): Promise<{ stateDir: string; kids: string[]; rotate: () => Promise<string> }> {
  const stateDir = mkdtempSync(join(tmpdir(), 'keygate-signers-'));
  const stored: Awaited<ReturnType<typeof makeSigningKey>>[] = [];
  const rotate = async () => {
    stored.push(await makeSigningKey('ES256'));
    writeSigningKeys(
      stateDir,
      stored.map((jwk) => ({ state: 'active', sinceSeconds: 0, jwk })),
    );
    return stored.at(-1)?.kid as string;
  };
  return { stateDir, kids: [await rotate()], rotate };
}

const open = (stateDir: string) =>
  new Signers({ connection, keys, stateDir, nodeName: 'n', ttlSeconds: 3600, nowSeconds: () => nowSeconds });
const shared = (stateDir: string) =>
  (JSON.parse(readFileSync(sharedJwksPath(stateDir), 'utf8')) as { keys: { kid: string; d?: string }[] }).keys;
const kidsOf = (stateDir: string) => shared(stateDir).map(({ kid }) => kid);

describe('signing keys', () => {
  it('that have changed since they were shared are noticed', async () => {
    const a = await makeNode();
    const ofA = open(a.stateDir);
    expect(ofA.isBehind()).toBe(true);
    await ofA.refresh();
    expect(ofA.isBehind()).toBe(false);
    await a.rotate();
    expect(ofA.isBehind()).toBe(true);
    await ofA.refresh();
    expect(ofA.isBehind()).toBe(false);
  });

  it('of each node are known to the others, their public members alone', async () => {
    const [a, b] = [await makeNode(), await makeNode()];
    const [ofA, ofB] = [open(a.stateDir), open(b.stateDir)];
    await ofA.refresh();
    await ofB.refresh();
    await ofA.refresh();
    expect([kidsOf(a.stateDir), kidsOf(b.stateDir)]).toEqual([b.kids, a.kids]);
    expect(Object.keys(shared(a.stateDir)[0] ?? {}).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
    expect(statSync(sharedJwksPath(a.stateDir)).mode & 0o777).toBe(0o640);
    const next = await b.rotate();
    await ofB.refresh();
    await ofA.refresh();
    expect(kidsOf(a.stateDir).sort()).toEqual([...b.kids, next].sort());
  });

  it('are told of at once', async () => {
    const heard: string[] = [];
    const listener = await store.client();
    await listener.subscribe('keygate:changes', (text) => void heard.push(text));
    const signers = open((await makeNode()).stateDir);
    await signers.refresh();
    await signers.refresh();
    await expect.poll(() => heard).toEqual(['signers']);
  });

  it('outlive their node for as long as a token of it may hold, and no longer', async () => {
    const [a, b] = [await makeNode(), await makeNode()];
    await open(b.stateDir).refresh();
    const ofA = open(a.stateDir);
    await ofA.refresh();
    nowSeconds += 3600 + 3500;
    await ofA.refresh();
    expect(kidsOf(a.stateDir)).toEqual(b.kids);
    nowSeconds += 200;
    await ofA.refresh();
    expect(kidsOf(a.stateDir)).toEqual([]);
    expect(await client.hKeys('keygate:signers')).toEqual(a.kids);
  });

  it('come back into an emptied store, also those of a node that has left, and after a restart', async () => {
    const [a, b, c] = [await makeNode(), await makeNode(), await makeNode()];
    await open(b.stateDir).refresh();
    await open(a.stateDir).refresh();
    await client.sendCommand(['FLUSHALL']);
    await open(a.stateDir).refresh();
    await open(c.stateDir).refresh();
    expect(kidsOf(c.stateDir).sort()).toEqual([...a.kids, ...b.kids].sort());
  });

  it('from an attacker are never taken', async () => {
    const [a, b] = [await makeNode(), await makeNode()];
    await open(b.stateDir).refresh();
    const sealed = await client.withTypeMapping({ 36: Buffer }).hGet('keygate:signers', b.kids[0] as string);
    const forged = JSON.stringify({ jwk: await makeSigningKey('ES256'), node: 'x', untilSeconds: nowSeconds + 9999 });
    await client.hSet('keygate:signers', { moved: sealed as unknown as Buffer, forged, empty: '' });
    await open(a.stateDir).refresh();
    expect(kidsOf(a.stateDir)).toEqual(b.kids);
  });

  it('do not stop where the own files are missing or damaged', async () => {
    const stateDir = mkdtempSync(join(tmpdir(), 'keygate-signers-'));
    mkdirSync(join(stateDir, 'shared'));
    writeFileSync(join(stateDir, 'shared', 'signers.json'), '{"x":{"jwk":');
    await open(stateDir).refresh();
    expect(kidsOf(stateDir)).toEqual([]);
  });
});
