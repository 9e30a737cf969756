// bcrypt on its own threads, niced so that nginx keeps its cores; never on the event loop. A key with one hash to try
// goes before those that are tried against many, of which one is searched for at a time, by all threads. Both may wait,
// but not many of them and not longer than anybody waits for the answer.

import PQueue from 'p-queue';
import { Piscina } from 'piscina';
import type { Comparison } from './bcrypt_worker.js';

export interface BcryptPool {
  /**
   * Compares a credential with each hash until one matches.
   * @returns the place of the matching hash, -1 for none, `full` without a place in the queue, or `late` when it was not
   * begun within `patienceMs`
   */
  findMatch: (credential: string, hashes: string[]) => Promise<number | 'full' | 'late'>;
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

  const compareOnly = async (credential: string, hash: string): Promise<number | 'full' | 'late'> => {
    if (comparisons.pending >= threads && comparisons.sizeBy(first) >= queue) return 'full';
    const matches = await beginInTime(comparisons, () => pool.run({ credential, hash }), {
      ...first,
      patienceMs,
    });
    return matches === 'late' ? 'late' : matches ? 0 : -1;
  };
  // As many comparisons at once as there are threads; none is begun after a match.
  const search = async (credential: string, hashes: string[]): Promise<number> => {
    let next = 0;
    let match = -1;
    const work = async () => {
      while (match < 0 && next < hashes.length) {
        const place = next++;
        const comparison = { credential, hash: hashes[place] as string };
        if (await comparisons.add(() => pool.run(comparison))) match = place;
      }
    };
    await Promise.all(Array.from({ length: Math.min(threads, hashes.length) }, work));
    return match;
  };
  const findMatch: BcryptPool['findMatch'] = async (credential, hashes) => {
    const [only, another] = hashes;
    if (only === undefined) return -1;
    if (another === undefined) return compareOnly(credential, only);
    if (searches.pending > 0 && searches.size >= queue) return 'full';
    return beginInTime(searches, () => search(credential, hashes), { patienceMs });
  };
  return { findMatch, close: () => pool.close({ force: true }) };
}

// What was begun goes on to its end, whoever has given up waiting.
async function beginInTime<T>(
  queue: PQueue,
  work: () => Promise<T>,
  { patienceMs, ...options }: { patienceMs: number; priority?: number },
): Promise<T | 'late'> {
  const waiting = new AbortController();
  const timer = setTimeout(() => waiting.abort(), patienceMs);
  const begin = () => {
    clearTimeout(timer);
    return work();
  };
  try {
    return await queue.add(begin, { ...options, signal: waiting.signal });
  } catch (error) {
    if (waiting.signal.aborted) return 'late';
    throw error;
  }
}
