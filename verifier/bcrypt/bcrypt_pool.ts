// bcrypt on its own threads, niced so that nginx keeps its cores; never on the event loop. A key with one hash to try
// goes before those that are tried against many, of which one is searched for at a time, by all threads. Both may wait,
// but not many of them and not longer than anybody waits for the answer.

import { setTimeout as pause } from 'node:timers/promises';
import PQueue from 'p-queue';
import { Piscina } from 'piscina';
import type { Comparison } from './bcrypt_worker.js';

export interface BcryptPool {
  /**
   * Compares a credential with each hash until one matches.
   * @returns the place of the matching hash, -1 for none, `full` without a place in the queue, or `late` when it was
   * not begun within `patienceMs`
   */
  findMatch: (credential: string, hashes: string[]) => Promise<number | 'full' | 'timed out'>;
  close: () => Promise<void>;
}

export interface BcryptPoolOptions {
  threads: number;
  /** How many credentials with one hash may wait, and how many with more. */
  queue: number;
  patienceMs: number;
  /** The bundled bcrypt_worker. */
  worker: URL;
}

const niceness = 10;

// So many keys at once are a flood of wrong ones. A niced thread that never rests still takes half of what a client
// with a known key gets on two cores, since the scheduler lets it finish its turn before whoever wakes up.
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

  const compareOnly = async (credential: string, hash: string): Promise<number | 'full' | 'timed out'> => {
    if (comparisons.pending >= threads && comparisons.sizeBy(first) >= queue) return 'full';
    const begin = () => pool.run({ credential, hash });
    const matches = await beginInTime(comparisons, begin, { ...first, patienceMs });
    return matches === 'timed out' ? 'timed out' : matches ? 0 : -1;
  };
  const compareInSearch = async (comparison: Comparison): Promise<boolean> => {
    let tookMs = 0;
    const matches = await comparisons.add(async () => {
      const startedMs = performance.now();
      const isMatch = await pool.run(comparison);
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
    const compare = (hash: string) => compareInSearch({ credential, hash });
    return beginInTime(searches, () => search(hashes, threads, compare), { patienceMs });
  };
  return { findMatch, close: () => pool.close({ force: true }) };
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

// What was begun goes on to its end, whoever has given up waiting.
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
