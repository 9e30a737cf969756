// bcrypt on its own threads, niced so that nginx keeps its cores. A credential with one hash to compare goes first.
// Credentials with several hashes are compared one after the other, each by all threads. Either kind has a queue, with
// room for `queue` credentials that wait for `patienceMs` at most.

import { setTimeout as pause } from 'node:timers/promises';
import PQueue from 'p-queue';
import { Piscina } from 'piscina';
import { bcryptBounds, bucketOf } from '../../monitoring/buckets.js';
import type { Comparison } from './bcrypt_worker.js';

export interface BcryptPool {
  /**
   * Compares a credential with each hash until one matches.
   * @returns the place of the matching hash, -1 where no hash matches, `full` without a place in the queue, or
   * `timed out` when the comparison did not begin within `patienceMs`
   */
  findMatch: (credential: string, hashes: string[]) => Promise<number | 'full' | 'timed out'>;
  /** What the pool has done since it was opened. */
  measured: () => BcryptMeasured;
  close: () => Promise<void>;
}

export interface BcryptMeasured {
  /** How many credentials wait for a thread. */
  queue: number;
  /** How many comparisons took how long: a count for each of `bcryptBounds`, and one for all that took longer. */
  counts: number[];
  /** Seconds of all comparisons together. */
  sum: number;
}

export interface BcryptPoolOptions {
  threads: number;
  /** How many credentials may wait in either queue: with one hash, or with more hashes. */
  queue: number;
  patienceMs: number;
  /** The bundled bcrypt_worker. */
  worker: URL;
}

const niceness = 10;

// How much longer than its comparison a search rests, once half of its queue is taken: so many keys at once are a flood
// of wrong keys. On two cores, niced threads that never rest would halve what a client with a valid key gets: the
// scheduler lets such a thread finish its turn before a process that wakes up.
const restFactor = 3;
const first = { priority: 1 };

/** Opens the pool; threads start with the first work. */
export function openBcryptPool({ threads, queue, patienceMs, worker }: BcryptPoolOptions): BcryptPool {
  const pool = new Piscina<Comparison, boolean>({
    filename: worker.href,
    minThreads: 0,
    maxThreads: threads,
    idleTimeout: 30000,
    niceIncrement: niceness,
  });
  const comparisons = new PQueue({ concurrency: threads });
  const searches = new PQueue({ concurrency: 1 });

  const { compare, times } = timed((comparison) => pool.run(comparison));
  const measured = () => ({ queue: comparisons.sizeBy(first) + searches.size, ...times });

  const compareOnly = async (credential: string, hash: string): Promise<number | 'full' | 'timed out'> => {
    if (comparisons.pending >= threads && comparisons.sizeBy(first) >= queue) return 'full';
    const begin = () => compare({ credential, hash });
    const matches = await beginInTime(comparisons, begin, { ...first, patienceMs });
    return matches === 'timed out' ? 'timed out' : matches ? 0 : -1;
  };
  const compareInSearch = async (comparison: Comparison): Promise<boolean> => {
    let tookMs = 0;
    const matches = await comparisons.add(async () => {
      const startedMs = performance.now();
      const isMatch = await compare(comparison);
      tookMs = performance.now() - startedMs;
      return isMatch;
    });
    if (!matches && searches.size > queue / 2) await pause(restFactor * tookMs);
    return matches;
  };
  const findMatch: BcryptPool['findMatch'] = async (credential, hashes) => {
    const [only, another] = hashes;
    if (only === undefined) return -1;
    if (another === undefined) return compareOnly(credential, only);
    if (searches.pending > 0 && searches.size >= queue) return 'full';
    const compareNext = (hash: string) => compareInSearch({ credential, hash });
    return beginInTime(searches, () => search(hashes, threads, compareNext), { patienceMs });
  };
  return { findMatch, measured, close: () => pool.close({ force: true }) };
}

type Compare = (comparison: Comparison) => Promise<boolean>;

function timed(run: Compare): { compare: Compare; times: Pick<BcryptMeasured, 'counts' | 'sum'> } {
  const times = { counts: [...bcryptBounds.map(() => 0), 0], sum: 0 };
  const compare: Compare = async (comparison) => {
    const startedMs = performance.now();
    const isMatch = await run(comparison);
    const seconds = (performance.now() - startedMs) / 1000;
    const bucket = bucketOf(seconds, bcryptBounds);
    times.counts[bucket] = (times.counts[bucket] ?? 0) + 1;
    times.sum += seconds;
    return isMatch;
  };
  return { compare, times };
}

// As many comparisons at once as there are threads; none is begun after a match.
async function search(hashes: string[], threads: number, compare: (hash: string) => Promise<boolean>): Promise<number> {
  let next = 0;
  let match = -1;
  const work = async () => {
    while (match < 0 && next < hashes.length) {
      const place = next++;
      if (await compare(hashes[place] as string)) match = place;
    }
  };
  await Promise.all(Array.from({ length: Math.min(threads, hashes.length) }, work));
  return match;
}

// Only waiting ends after patienceMs: work that has begun goes on to its end.
async function beginInTime<T>(
  queue: PQueue,
  work: () => Promise<T>,
  { patienceMs, ...options }: { patienceMs: number; priority?: number },
): Promise<T | 'timed out'> {
  const waiting = new AbortController();
  const timer = setTimeout(() => waiting.abort(), patienceMs);
  const begin = () => {
    clearTimeout(timer);
    return work();
  };
  try {
    return await queue.add(begin, { ...options, signal: waiting.signal });
  } catch (error) {
    if (waiting.signal.aborted) return 'timed out';
    throw error;
  }
}
