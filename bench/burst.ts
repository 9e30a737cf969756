// A moment in which thousands of requests arrive over kept connections: how many one worker admits, and in what time.
// Each question opens a connection to the decision server, which accepts one connection per socket and turn of nginx's
// event loop. Other connections wait in the socket's backlog (net.core.somaxconn), and beyond it they fail.

import { join } from 'node:path';
import { findFreePort, openFileLimit } from '../launcher/facts.js';
import type { Subject } from './comparison.js';
import * as configurations from './configurations.js';
import { openConnections } from './connections.js';
import { makeKeys } from './credentials.js';
import { pause } from './processes.js';
import { formatSpread, spreadOf, type Spread } from './spread.js';
import { makeStateDir, say, startMs, type Stand } from './stand.js';

export interface BurstFigure {
  title: string;
  requests: number;
  /** How many were answered with 200. */
  admitted: Spread;
  /** Until the last one was answered. */
  ms: Spread;
}

const wanted = 5000;
const rounds = 3;
const connectionsEach = 3; // the client's, and both ends of the question's

/** Measures plain nginx, and the gate over a Unix socket and over TCP. nginx answers what is admitted by itself. */
export async function measureBurst(stand: Stand): Promise<BurstFigure[]> {
  const requests = Math.min(wanted, Math.floor((openFileLimit() - 500) / connectionsEach));
  const stateDir = join(stand.dir, 'burst-state');
  const { keys, lines } = makeKeys(1);
  makeStateDir(stateDir, lines);
  const decisionAddress = `127.0.0.1:${await findFreePort()}`;
  const subjects: [title: string, configuration: configurations.Configuration][] = [
    ['plain nginx', configurations.plain],
    ['Keygate over a Unix socket', stand.gate({ stateDir })],
    ['Keygate over TCP', stand.gate({ stateDir, decisionAddress })],
  ];
  const figures: BurstFigure[] = [];
  for (const [i, [title, configuration]] of subjects.entries()) {
    const subject = await stand.start(`burst-${i}`, configuration, { isLocal: true });
    await pause(startMs);
    figures.push({ title, requests, ...(await measureOne(subject, requests, keys[0] as string)) });
    await subject.process.stop();
  }
  return figures;
}

async function measureOne(
  { port }: Subject,
  requests: number,
  key: string,
): Promise<Pick<BurstFigure, 'admitted' | 'ms'>> {
  const admitted: number[] = [];
  const ms: number[] = [];
  for (let i = 0; i < rounds; i++) {
    const connections = await openConnections(port, requests, `x-api-key: ${key}\r\n`);
    await pause(300);
    const startedMs = performance.now();
    const statuses = await Promise.all(connections.map(({ ask }) => ask('/')));
    ms.push(performance.now() - startedMs);
    admitted.push(statuses.filter((status) => status === 200).length);
    for (const { close } of connections) close();
    await pause(300);
  }
  return { admitted: spreadOf(admitted), ms: spreadOf(ms) };
}

/** Tells how bursts were answered. */
export function sayBurst(figures: BurstFigure[]): void {
  for (const { title, requests, admitted, ms } of figures) {
    say(`${requests} at once, ${title.padEnd(28)} ${formatSpread(admitted)} admitted in ${formatSpread(ms)} ms`);
  }
}
