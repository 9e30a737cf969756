// Compares a subject with plain nginx of the same binary: the two run in turn, and each round is compared for itself.

import type { Load, Measured } from './load.js';
import { runWrk } from './load.js';
import type { Running } from './processes.js';
import { spreadOf, type Spread } from './spread.js';

/** What is loaded; CPU is counted for its one worker. */
export interface Subject {
  name: string;
  port: number;
  process: Running;
}

/** Over the rounds. */
export interface Comparison {
  /** Requests a second of the subject by those of plain nginx. */
  ratio: Spread;
  /** CPU time of the worker per request beyond that of plain nginx, in microseconds. */
  addedMicros: Spread;
  perSecond: Spread;
  plainPerSecond: Spread;
  p99Ms: Spread;
  plainP99Ms: Spread;
}

/** What is sent. */
export type Aim = Omit<Load, 'port'>;

export interface Trial {
  subject: Subject;
  plain: Subject;
  aim: Aim;
  rounds: number;
  /** Before each run of the subject: makes fresh what must be fresh. */
  prepare?: () => Promise<void>;
  /** Whether the subject refuses every request; otherwise it must admit every one. */
  isRefusing?: boolean;
}

/** Compares a subject with plain nginx. */
export async function compare(trial: Trial): Promise<Comparison> {
  const pairs: [MeasuredRun, MeasuredRun][] = [];
  for (let i = 0; i < trial.rounds; i++) {
    const plainRun = await measureRun(trial.plain, trial.aim);
    await trial.prepare?.();
    const run = await measureRun(trial.subject, trial.aim);
    checkRefused(trial, run);
    pairs.push([plainRun, run]);
  }
  type Pick = (plainRun: MeasuredRun, run: MeasuredRun) => number;
  const over = (pick: Pick) => spreadOf(pairs.map(([plainRun, run]) => pick(plainRun, run)));
  return {
    ratio: over((plainRun, run) => run.perSecond / plainRun.perSecond),
    addedMicros: over((plainRun, run) => run.cpuMicros - plainRun.cpuMicros),
    perSecond: over((_, run) => run.perSecond),
    plainPerSecond: over((plainRun) => plainRun.perSecond),
    p99Ms: over((_, run) => run.p99Ms),
    plainP99Ms: over((plainRun) => plainRun.p99Ms),
  };
}

function checkRefused({ subject, aim, isRefusing }: Trial, { refused, requests }: MeasuredRun): void {
  const expected = isRefusing === true ? requests : 0;
  if (Math.abs(refused - expected) > aim.connections) {
    throw new Error(`${subject.name}: ${refused} of ${requests} requests were refused`);
  }
}

/** One run of wrk, and CPU time of the worker per request. */
export type MeasuredRun = Measured & { cpuMicros: number };

/** Loads a subject once. */
export async function measureRun(subject: Subject, aim: Aim): Promise<MeasuredRun> {
  const before = subject.process.cpuMicros();
  const measured = await runWrk({ ...aim, port: subject.port });
  const cpuMicros = (subject.process.cpuMicros() - before) / measured.requests;
  return { ...measured, cpuMicros };
}
