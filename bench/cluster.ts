// What REDIS_URL adds to a known credential: a node of a cluster beside the same gate without one, each in turn. nginx
// itself never asks the store: it reads what the sidecar of a node has written.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compare, type Subject } from './comparison.js';
import { pause } from './processes.js';
import { formatSpread, type Spread } from './spread.js';
import { aimKnown, makeStateDir, say, startMs, type Stand } from './stand.js';

/** Starts Keygate as a node of a cluster, whose nodes share one key. */
export async function startClustered(stand: Stand): Promise<Subject> {
  const stateDir = join(stand.dir, 'node');
  makeStateDir(stateDir, `${stand.credentials.keys[0]}\n`);
  mkdirSync(join(stateDir, 'shared'));
  const snapshot = { number: 1, keys: ['a-key-that-the-nodes-share'], revoked: [], denied: [] };
  writeFileSync(join(stateDir, 'public', 'entry_secret'), 'a secret that all nodes of the bench would have\n');
  writeFileSync(join(stateDir, 'shared', 'snapshot.json'), JSON.stringify(snapshot));
  return stand.start('node', stand.gate({ stateDir, settings: { cluster: 'on' } }));
}

/** Measures a token and an API key; CPU time per request beyond that without a cluster, in microseconds. */
export async function measureCluster(stand: Stand): Promise<{ token: Spread; key: Spread }> {
  const plain = await stand.start('alone', stand.gate());
  const subject = await startClustered(stand);
  await pause(startMs);
  const token = aimKnown(stand);
  const key = { ...token, header: 'x-api-key', value: stand.credentials.keys[0] as string };
  const cost = async (aim: typeof token): Promise<Spread> => {
    const trial = { subject, plain, aim, rounds: 2 * stand.scale.rounds };
    await compare({ ...trial, rounds: 1 }); // warms everything up
    return (await compare(trial)).addedMicros;
  };
  return { token: await cost(token), key: await cost(key) };
}

/** Says what was measured. */
export function sayCluster({ token, key }: { token: Spread; key: Spread }): void {
  say(`REDIS_URL adds         ${formatSpread(token, 1)} us CPU to a known token`);
  say(`                       ${formatSpread(key, 1)} us CPU to a known API key`);
}
