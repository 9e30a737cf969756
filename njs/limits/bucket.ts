// A leaky bucket in shared memory, exact for any number of workers and contexts. The stored number is the steady time
// at which the bucket is full again. njs has no compare-and-set, but `incr` and `add` are atomic.

import { fillMs, type RateLimit } from '../../auth/rate_limit.js';
import { steadyMs } from '../keys/steady_clock.js';

type Numbers = NgxSharedDict<number>;

export interface Taken {
  isAdmitted: boolean;
  /** Until the bucket is full again. */
  pendingMs: number;
}

// Shared memory forgets by the wall clock: a clock that is set forward by an hour must not empty the zone.
const marginMs = 7200000;
const lockMs = 2000; // of a worker that was killed meanwhile; the steady clock goes on by half of it at most at once
const maxLeftLocks = 8;
const maxAttempts = 5000; // a few milliseconds: a worker that holds the lock may have lost its core
const roundingMs = 1e-3;
const mostWorkers = 64;

/**
 * Takes one request from a bucket.
 * @returns whether the bucket had one; throws SharedMemoryError when the zone is full
 */
export function takeRequest(zone: Numbers, name: string, limit: RateLimit): Taken {
  for (let i = 0; i < maxAttempts; i++) {
    const taken = tryToTake(zone, name, limit);
    if (taken !== undefined) return taken;
  }
  return { isAdmitted: false, pendingMs: Math.min(fillMs(limit), fillMs(limit) - limit.intervalMs + lockMs) };
}

/** @returns how long the bucket takes to become full again; takes nothing */
export function pendingOf(zone: Numbers, name: string, limit: RateLimit): number {
  const nowMs = steadyMs();
  const fullAtMs = read({ zone, name, nowMs }, limit);
  return fullAtMs === undefined ? 0 : Math.max(0, fullAtMs - nowMs);
}

// Returns undefined where another worker has changed the bucket meanwhile.
function tryToTake(zone: Numbers, name: string, limit: RateLimit): Taken | undefined {
  const { intervalMs } = limit;
  const keepMs = keepTime(limit);
  const nowMs = steadyMs();
  const before = read({ zone, name, nowMs }, limit);
  if (before === undefined)
    return zone.add(name, nowMs + intervalMs, keepMs) ? { isAdmitted: true, pendingMs: intervalMs } : undefined;
  const bucket = { zone, name, limit, before, nowMs, keepMs };
  return before < nowMs ? takeFromFull(bucket) : takeFromUsed(bucket);
}

interface Bucket {
  zone: Numbers;
  name: string;
  limit: RateLimit;
  /** What the bucket held. */
  before: number;
  nowMs: number;
  keepMs: number;
}

// Workers that come at once may all find the last request there: a count that is over the limit is taken back.
function takeFromUsed({ zone, name, limit, before, nowMs, keepMs }: Bucket): Taken {
  const { intervalMs } = limit;
  const mostMs = fillMs(limit) + roundingMs;
  if (before + intervalMs - nowMs > mostMs) return refused(limit, before - nowMs);
  const pendingMs = zone.incr(name, intervalMs, before, keepMs) - nowMs;
  if (pendingMs <= mostMs) return { isAdmitted: true, pendingMs };
  zone.incr(name, -intervalMs, before + intervalMs, keepMs);
  return refused(limit, pendingMs - intervalMs);
}

// What other workers are about to take back is not pending.
function refused(limit: RateLimit, pendingMs: number): Taken {
  return { isAdmitted: false, pendingMs: Math.min(pendingMs, fillMs(limit)) };
}

// The time of a full bucket lies in the past. One worker moves it to the present, and takes its own request. The others
// wait: what they would add to the old time, the next move would forget.
function takeFromFull(bucket: Bucket): Taken | undefined {
  const { zone, name, limit, nowMs, keepMs } = bucket;
  const lock = takeLock(bucket);
  if (lock === undefined) return undefined;
  const before = zone.get(name); // another worker may have moved it before this one had the lock
  const isFull = before !== undefined && before < nowMs;
  const after = isFull ? zone.incr(name, nowMs - before + limit.intervalMs, before, keepMs) : 0;
  zone.delete(lock);
  return isFull ? { isAdmitted: true, pendingMs: after - nowMs } : undefined;
}

// A killed worker leaves its lock, and the next lock is called after it: were the old one deleted, two workers that
// delete it could both believe that they have the new one. Returns undefined where another worker has the lock.
function takeLock({ zone, name, nowMs, keepMs }: Bucket): string | undefined {
  let lock = `${name}@`;
  for (let i = 0; i < maxLeftLocks; i++) {
    if (zone.add(lock, nowMs, keepMs)) return lock;
    const lockedMs = zone.get(lock);
    if (lockedMs === undefined || Math.abs(nowMs - lockedMs) <= lockMs) return undefined;
    lock = `${name}@${lockedMs}`;
  }
  return undefined;
}

function keepTime(limit: RateLimit): number {
  return Math.ceil(fillMs(limit)) + marginMs;
}

// A reload with another size empties the zone of the steady clock, which then begins anew. A time that lies further
// ahead than all workers together can take is of the clock before, and the bucket counts as empty.
function read({ zone, name, nowMs }: Pick<Bucket, 'zone' | 'name' | 'nowMs'>, limit: RateLimit): number | undefined {
  const fullAtMs = zone.get(name);
  const emptyMs = nowMs + fillMs(limit);
  if (fullAtMs === undefined || fullAtMs <= emptyMs + mostWorkers * limit.intervalMs) return fullAtMs;
  zone.set(name, emptyMs, keepTime(limit));
  return emptyMs;
}
