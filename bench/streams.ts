// Thousands of server-sent-event streams held by one worker: what each costs it, beside plain nginx.

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { openFileLimit } from '../launcher/facts.js';
import { measureRun, type Aim, type Subject } from './comparison.js';
import * as configurations from './configurations.js';
import { askEach, openConnections } from './connections.js';
import { makeKeys } from './credentials.js';
import { pause } from './processes.js';
import { formatSpread, spreadOf, type Spread } from './spread.js';
import { aimKnown, makeStateDir, say, startMs, type Stand } from './stand.js';

/** What streams cost one worker, over the rounds. */
export interface StreamCosts {
  /** Anonymous memory that each held stream adds, with its client's connection. */
  kbEach: Spread;
  /** CPU time to open one over a connection that is there. */
  openMicros: Spread;
  /** CPU time of a short request while none is held, and while all are. */
  shortMicros: Spread;
  shortMicrosMeanwhile: Spread;
  /** Anonymous memory before the first stream, after all have ended, and after as many again. */
  kbBefore: Spread;
  kbAfter: Spread;
  kbAfterAgain: Spread;
}

export interface StreamFigures {
  streams: number;
  plain: StreamCosts;
  gate: StreamCosts;
}

type Round = { [cost in keyof StreamCosts]: number };

const atOnce = 16;
const settleMs = 500;

/**
 * Measures plain nginx and the gate in turn, each round with processes of its own: memory that is freed is not given
 * back.
 */
export async function measureStreams(stand: Stand): Promise<StreamFigures> {
  // Each stream takes two open files in this process, which is client and upstream, and two in nginx.
  const streams = Math.min(stand.scale.streams, Math.floor((openFileLimit() - 500) / 2));
  const { server, port, countHeld } = await startStreaming();
  const stateDir = join(stand.dir, 'stream-state');
  const { keys, lines } = makeKeys(1);
  makeStateDir(stateDir, lines); // one key: memory that a large key file leaves behind would be taken for streams
  const rounds: { plain: Round[]; gate: Round[] } = { plain: [], gate: [] };
  const all = { plain: configurations.plain, gate: stand.gate({ stateDir }) };
  const aim = { ...aimKnown(stand), seconds: 1, header: 'x-api-key', value: keys[0] as string };
  for (let i = 0; i < stand.scale.streamRounds; i++) {
    for (const name of ['plain', 'gate'] as const) {
      const subject = await stand.start(`streams-${name}-${i}`, all[name], { streamPort: port });
      rounds[name].push(await measureRound({ subject, aim, streams, countHeld }));
      await subject.process.stop();
    }
  }
  server.close();
  return { streams, plain: summarize(rounds.plain), gate: summarize(rounds.gate) };
}

function summarize(rounds: Round[]): StreamCosts {
  const over = (cost: keyof Round) => spreadOf(rounds.map((round) => round[cost]));
  return {
    kbEach: over('kbEach'),
    openMicros: over('openMicros'),
    shortMicros: over('shortMicros'),
    shortMicrosMeanwhile: over('shortMicrosMeanwhile'),
    kbBefore: over('kbBefore'),
    kbAfter: over('kbAfter'),
    kbAfterAgain: over('kbAfterAgain'),
  };
}

interface RoundSetting {
  subject: Subject;
  aim: Aim;
  streams: number;
  countHeld: () => number;
}

async function measureRound(setting: RoundSetting): Promise<Round> {
  const { subject, aim } = setting;
  await pause(startMs);
  await measureRun(subject, { ...aim, connections: 2 * atOnce }); // so that every JavaScript context exists
  const { cpuMicros: shortMicros } = await measureRun(subject, aim);
  await pause(settleMs);
  const kbBefore = subject.process.memory().anonymousKb;
  const { kbHeld, openMicros, shortMicrosMeanwhile } = await hold(setting);
  const kbAfter = subject.process.memory().anonymousKb;
  await hold(setting);
  const kbAfterAgain = subject.process.memory().anonymousKb;
  const kbEach = (kbHeld - kbBefore) / setting.streams;
  return { kbEach, openMicros, shortMicros, shortMicrosMeanwhile, kbBefore, kbAfter, kbAfterAgain };
}

type Held = Pick<Round, 'openMicros' | 'shortMicrosMeanwhile'> & { kbHeld: number };

/** Opens all streams, measures while they are held, and ends them. */
async function hold({ subject, aim, streams, countHeld }: RoundSetting): Promise<Held> {
  const { process, port } = subject;
  const connections = await openConnections(port, streams, `${aim.header}: ${aim.value}\r\n`);
  const before = process.cpuMicros();
  await askEach(connections, '/stream', atOnce);
  await pause(settleMs);
  if (countHeld() !== streams) throw new Error(`${subject.name}: ${countHeld()} of ${streams} streams are open`);
  const openMicros = (process.cpuMicros() - before) / streams;
  const kbHeld = process.memory().anonymousKb;
  const { cpuMicros: shortMicrosMeanwhile } = await measureRun(subject, aim);
  for (const connection of connections) connection.close();
  while (countHeld() > 0) await pause(50);
  await pause(settleMs);
  return { kbHeld, openMicros, shortMicrosMeanwhile };
}

// An upstream that sends headers and one event, and holds the stream open.
async function startStreaming(): Promise<{ server: Server; port: number; countHeld: () => number }> {
  let held = 0;
  const server = createServer((_, response) => {
    held++;
    response.once('close', () => held--);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('data: {"ok":true}\n\n');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, port: (server.address() as AddressInfo).port, countHeld: () => held };
}

/** Tells what streams cost. */
export function sayStreams({ streams, plain, gate }: StreamFigures): void {
  const sayCost = (what: string, cost: keyof StreamCosts, unit: string) =>
    say(`${what.padEnd(34)} plain ${formatSpread(plain[cost], 1)}, gate ${formatSpread(gate[cost], 1)} ${unit}`);
  sayCost(`each of ${streams} streams held`, 'kbEach', 'KB');
  sayCost('to open one', 'openMicros', 'us CPU');
  sayCost('a short request', 'shortMicros', 'us CPU');
  sayCost('a short request meanwhile', 'shortMicrosMeanwhile', 'us CPU');
  sayCost('memory before', 'kbBefore', 'KB');
  sayCost('memory after', 'kbAfter', 'KB');
  sayCost('memory after as many again', 'kbAfterAgain', 'KB');
}
