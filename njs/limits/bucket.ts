// A leaky bucket in shared memory, exact for any number of workers and contexts. The stored number is the steady time
// at which the bucket is full again. njs has no compare-and-set, but `incr` and `add` are atomic.

import type { LimitState } from '../../auth/limit_headers.js';
import { fillMs, type RateLimit } from '../../auth/rate_limit.js';
import { steadyMs } from '../keys/steady_clock.js';

type Numbers = NgxSharedDict<number>;

/** What became of a request. */
export interface Taken extends LimitState {
  isAdmitted: boolean;
}

// Shared memory forgets by the wall clock: a clock that is set forward by an hour must not empty the zone.
const marginMs = 7200000;
const lockMs = 2000; // of a worker that was killed meanwhile; the steady clock goes on by half of it at most at once
const maxLeftLocks = 8;
const maxAttempts = 5000; // a few milliseconds: a worker that holds the lock may have lost its core
const roundingMs = 1e-3;
const mostWorkers = 64;

interface Bucket {
  zone: Numbers;
  name: string;
  limit: RateLimit;
  /** How long the bucket takes to become full. */
  fillMs: number;
  /** How long shared memory keeps the bucket. */
  keepMs: number;
  nowMs: number;
}

// Filled anew for each request: engines take longer to make an object than to fill it.
const none = undefined as never;
const current: Bucket = { zone: none, name: '', limit: none, fillMs: 0, keepMs: 0, nowMs: 0 };
const taken: Taken = { limit: none, isAdmitted: false, pendingMs: 0 };

function open(zone: Numbers, name: string, limit: RateLimit): Bucket {
  const wholeMs = fillMs(limit);
  current.zone = zone;
  current.name = name;
  current.limit = limit;
  current.fillMs = wholeMs;
  current.keepMs = Math.ceil(wholeMs) + marginMs;
  return current;
}

/**
 * Takes one request from a bucket.
 * @returns an object that the next call fills anew; throws SharedMemoryError when the zone is full
 */
export function takeRequest(zone: Numbers, name: string, limit: RateLimit): Taken {
  const bucket = open(zone, name, limit);
  taken.limit = limit;
  for (let i = 0; i < maxAttempts; i++) if (tryToTake(bucket)) return taken;
  return refuse(bucket, bucket.fillMs - limit.intervalMs + lockMs);
}

/** @returns how long the bucket takes to become full again; takes nothing */
export function pendingOf(zone: Numbers, name: string, limit: RateLimit): number {
  const bucket = open(zone, name, limit);
  bucket.nowMs = steadyMs();
  const fullAtMs = read(bucket);
  return fullAtMs === undefined ? 0 : Math.max(0, fullAtMs - bucket.nowMs);
}

/** Gives a request back that was taken from a bucket and did not pass. */
export function returnRequest(zone: Numbers, name: string, limit: RateLimit): void {
  const { keepMs } = open(zone, name, limit);
  zone.incr(name, -limit.intervalMs, steadyMs() + limit.intervalMs, keepMs);
}

/** Empties a bucket so far that it is full again after `pendingMs` at the earliest. */
export function raisePending(zone: Numbers, name: string, { limit, pendingMs }: LimitState): void {
  const { keepMs } = open(zone, name, limit);
  const fullAtMs = steadyMs() + pendingMs;
  const before = zone.get(name);
  if (pendingMs > 0 && (before === undefined || before < fullAtMs)) zone.set(name, fullAtMs, keepMs);
}

// Reads the clock anew. Returns undefined where another worker has changed the bucket meanwhile.
function tryToTake(bucket: Bucket): Taken | undefined {
  bucket.nowMs = steadyMs();
  const before = read(bucket);
  if (before !== undefined) return before < bucket.nowMs ? takeFromFull(bucket) : takeFromUsed(bucket, before);
  const { intervalMs } = bucket.limit;
  return bucket.zone.add(bucket.name, bucket.nowMs + intervalMs, bucket.keepMs) ? admit(intervalMs) : undefined;
}

function admit(pendingMs: number): Taken {
  taken.isAdmitted = true;
  taken.pendingMs = pendingMs;
  return taken;
}

// What other workers are about to take back is not pending.
function refuse(bucket: Bucket, pendingMs: number): Taken {
  taken.isAdmitted = false;
  taken.pendingMs = Math.min(pendingMs, bucket.fillMs);
  return taken;
}

// Workers that come at once may all find the last request there: a count that is over the limit is taken back.
function takeFromUsed(bucket: Bucket, before: number): Taken {
  const { zone, name, nowMs, keepMs } = bucket;
  const { intervalMs } = bucket.limit;
  const mostMs = bucket.fillMs + roundingMs;
  if (before + intervalMs - nowMs > mostMs) return refuse(bucket, before - nowMs);
  const pendingMs = zone.incr(name, intervalMs, before, keepMs) - nowMs;
  if (pendingMs <= mostMs) return admit(pendingMs);
  zone.incr(name, -intervalMs, before + intervalMs, keepMs);
  return refuse(bucket, pendingMs - intervalMs);
}

// The time of a full bucket lies in the past. One worker moves it to the present, and takes its own request. The others
// wait: what they would add to the old time, the next move would forget.
function takeFromFull(bucket: Bucket): Taken | undefined {
  const { zone, name, nowMs, keepMs } = bucket;
  const lock = takeLock(bucket);
  if (lock === undefined) return undefined;
  const before = zone.get(name); // another worker may have moved it before this one had the lock
  const isFull = before !== undefined && before < nowMs;
  const after = isFull ? zone.incr(name, nowMs - before + bucket.limit.intervalMs, before, keepMs) : 0;
  zone.delete(lock);
  return isFull ? admit(after - nowMs) : undefined;
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

// A reload with another size empties the zone of the steady clock, which then begins anew. A time that lies further
// ahead than all workers together can take is of the clock before, and the bucket counts as empty.
function read(bucket: Bucket): number | undefined {
  const fullAtMs = bucket.zone.get(bucket.name);
  const emptyMs = bucket.nowMs + bucket.fillMs;
  if (fullAtMs === undefined || fullAtMs <= emptyMs + mostWorkers * bucket.limit.intervalMs) return fullAtMs;
  bucket.zone.set(bucket.name, emptyMs, bucket.keepMs);
  return emptyMs;
}
