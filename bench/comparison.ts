// One thing beside plain nginx of the same binary: round by round in turn, medians of the ratios within rounds.

import type { Load, Measured } from './load.js';
import { runWrk } from './load.js';
import type { Running } from './processes.js';

/** What is loaded; CPU is counted for its one worker. */
export interface Subject {
  name: string;
  port: number;
  process: Running;
}

export interface Comparison {
  /** Requests a second of the subject by those of plain nginx. */
  ratio: number;
  /** CPU time of the worker per request beyond that of plain nginx, in microseconds. */
  addedMicros: number;
  perSecond: number;
  plainPerSecond: number;
  p99Ms: number;
  plainP99Ms: number;
}

export interface Rounds {
  count: number;
  /** Before each run of the subject: makes fresh what must be fresh. */
  prepare?: () => Promise<void>;
  /** Whether the subject refuses every request; otherwise it must admit every one. */
  isRefusing?: boolean;
}

type Aim = Omit<Load, 'port'>;

/** Compares a subject with plain nginx. */
export async function compare(subject: Subject, plain: Subject, aim: Aim, rounds: Rounds): Promise<Comparison> {
  const pairs: [OneRun, OneRun][] = [];
  for (let i = 0; i < rounds.count; i++) {
    const first = await runOne(plain, aim);
    await rounds.prepare?.();
    const second = await runOne(subject, aim);
    const expected = rounds.isRefusing === true ? second.requests : 0;
    if (Math.abs(second.refused - expected) > aim.connections) {
      throw new Error(`${subject.name}: ${second.refused} of ${second.requests} requests were refused`);
    }
    pairs.push([first, second]);
  }
  const of = (pick: (plainRun: OneRun, run: OneRun) => number) => median(pairs.map(([a, b]) => pick(a, b)));
  return {
    ratio: of((a, b) => b.perSecond / a.perSecond),
    addedMicros: of((a, b) => b.cpuMicros - a.cpuMicros),
    perSecond: of((_, b) => b.perSecond),
    plainPerSecond: of((a) => a.perSecond),
    p99Ms: of((_, b) => b.p99Ms),
    plainP99Ms: of((a) => a.p99Ms),
  };
} // prettier-ignore

type OneRun = Measured & { /** Per request. */ cpuMicros: number };

async function runOne(subject: Subject, aim: Aim): Promise<OneRun> {
  const before = subject.process.cpuMicros();
  const measured = await runWrk({ ...aim, port: subject.port });
  const cpuMicros = (subject.process.cpuMicros() - before) / measured.requests;
  return { ...measured, cpuMicros };
}

/** The middle value; of an even number, the mean of the two in the middle. */
export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] as number;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
}
