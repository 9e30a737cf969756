// What known clients notice while others guess: wrong API keys from many addresses, each of which bcrypt would have to
// check against every entry.

import { hash } from '@node-rs/bcrypt';
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { median, type Subject } from './comparison.js';
import { makeKeys } from './credentials.js';
import { runWrk, type Load } from './load.js';

export interface FloodFigures {
  /** Requests a second of the known client during the flood by those without it, and both. */
  ratio: number;
  perSecond: number;
  quietPerSecond: number;
  /** Wrong keys a second that were sent. */
  floodPerSecond: number;
  /** How they were answered: how many, by status; `lost` had no answer. */
  answers: { [status: string]: number };
}

export const hashedEntries = 50;
export const addresses = 200;
const wantedPerSecond = 1000;

/**
 * Writes the key file of a flooded gate.
 * @returns the one key in it that the known client has
 */
export async function writeFloodedKeys(stateDir: string): Promise<string> {
  for (const part of ['keys', 'public', 'run']) mkdirSync(join(stateDir, part), { recursive: true });
  const { keys, lines } = makeKeys(1);
  const hashes = await Promise.all(Array.from({ length: hashedEntries }, () => hash(wrongKey(), 10)));
  writeFileSync(
    join(stateDir, 'keys', 'api_keys.txt'),
    lines + hashes.map((one, i) => `h${i}:${one}\n`).join(''),
  );
  return keys[0] as string;
}

/** Compares the known client's throughput with and without the flood, in turn. */
export async function measureFlood(
  subject: Subject,
  aim: Omit<Load, 'port'>,
  rounds: number,
): Promise<FloodFigures> {
  const [quiet, flooded, ratios, rates]: [number[], number[], number[], number[]] = [[], [], [], []];
  const answers: FloodFigures['answers'] = {};
  for (let i = 0; i < rounds; i++) {
    const before = await runWrk({ ...aim, port: subject.port });
    const flood = startFlood(subject.port, answers);
    await new Promise((resolve) => setTimeout(resolve, 500));
    const during = await runWrk({ ...aim, port: subject.port });
    rates.push(await flood.stop());
    if (before.refused + during.refused > 0) throw new Error('flood: the known client was refused');
    quiet.push(before.perSecond);
    flooded.push(during.perSecond);
    ratios.push(during.perSecond / before.perSecond);
  }
  return {
    ratio: median(ratios),
    perSecond: median(flooded),
    quietPerSecond: median(quiet),
    floodPerSecond: median(rates),
    answers,
  };
}

function wrongKey(): string {
  return randomBytes(24).toString('hex');
}

// Due requests are sent every few milliseconds, from one address after the other.
function startFlood(port: number, answers: FloodFigures['answers']): { stop: () => Promise<number> } {
  const agents = Array.from({ length: addresses }, (_, i) => ({ agent: new Agent({ keepAlive: true, maxSockets: 16 }), localAddress: `127.0.1.${i + 1}` }));
  const startedMs = performance.now();
  let sent = 0;
  const count = (status: string) => (answers[status] = (answers[status] ?? 0) + 1);
  const timer = setInterval(() => {
    for (const due = ((performance.now() - startedMs) / 1000) * wantedPerSecond; sent < due; sent++) {
      const asked = request({ host: '127.0.0.1', port, headers: { 'x-api-key': wrongKey() }, ...agents[sent % addresses] });
      asked.on('response', (response) => (count(String(response.statusCode)), response.resume()));
      asked.on('error', () => count('lost'));
      asked.end();
    }
  }, 5);
  return {
    stop: async () => {
      clearInterval(timer);
      const perSecond = sent / ((performance.now() - startedMs) / 1000);
      await new Promise((resolve) => setTimeout(resolve, 2500)); // longer than any answer takes
      for (const { agent } of agents) agent.destroy();
      return perSecond;
    },
  };
} // prettier-ignore
