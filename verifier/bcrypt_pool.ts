// bcrypt on its own threads, niced so that nginx keeps its cores; never on the event loop. Bounded: what finds
// no place in the queue is refused at once.

import { Piscina } from 'piscina';
import type { Comparison } from './bcrypt_worker.js';

export interface BcryptPool {
  /**
   * Compares a credential with each hash until one matches.
   * @returns the place of the matching hash, -1 for none, or `busy` when the queue is full
   */
  findMatch: (credential: string, hashes: string[]) => Promise<number | 'busy'>;
  close: () => Promise<void>;
}

export interface BcryptPoolOptions {
  threads: number;
  /** How many credentials may wait beside those being checked. */
  queue: number;
  /** The bundled bcrypt_worker. */
  worker: URL;
}

const niceness = 10;

/** Opens the pool; threads start with the first work. */
export function openBcryptPool({ threads, queue, worker }: BcryptPoolOptions): BcryptPool {
  const pool = new Piscina<Comparison, boolean>({
    filename: worker.href,
    minThreads: 0,
    maxThreads: threads,
    idleTimeout: 30000,
    niceIncrement: niceness,
  });
  let admitted = 0;
  const findMatch = async (credential: string, hashes: string[]): Promise<number | 'busy'> => {
    if (admitted >= threads + queue) return 'busy';
    admitted++;
    try {
      return await spread(pool, credential, { hashes, width: threads });
    } finally {
      admitted--;
    }
  };
  return { findMatch, close: () => pool.close({ force: true }) };
}

// As many comparisons at once as there are threads; none is started after a match.
async function spread(
  pool: Piscina<Comparison, boolean>,
  credential: string,
  { hashes, width }: { hashes: string[]; width: number },
): Promise<number> {
  let next = 0;
  let match = -1;
  const work = async () => {
    while (match < 0 && next < hashes.length) {
      const place = next++;
      if (await pool.run({ credential, hash: hashes[place] as string })) match = place;
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, hashes.length) }, work));
  return match;
}
