// A leaky bucket in shared memory, exact for any number of workers and contexts. The stored number is the steady time
// at which the bucket is full again. njs has no compare-and-set, but `incr` and `add` are atomic.

import type { RateLimit } from '../../auth/rate_limit.js';
import { steadyMs } from '../keys/steady_clock.js';

type Numbers = NgxSharedDict<number>;

export interface Taken {
  isAdmitted: boolean;
  /** Until the bucket is full again. */
  pendingMs: number;
}

// Shared memory forgets by the wall clock: a clock that is set forward by an hour must not empty the zone.
const marginMs = 7200000;
const lockMs = 1000; // of a worker that was killed meanwhile
const maxAttempts = 8;
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
  return { isAdmitted: false, pendingMs: fullMs(limit) };
}

/** @returns how long the bucket takes to become full again; takes nothing */
export function pendingOf(zone: Numbers, name: string, limit: RateLimit): number {
  const nowMs = steadyMs();
  const fullAtMs = read(zone, name, limit);
  return fullAtMs === undefined ? 0 : Math.max(0, fullAtMs - nowMs);
}

/** @returns how long an empty bucket takes to become full */
export function fullMs({ intervalMs, burst }: RateLimit): number {
  return intervalMs * (burst + 1);
}

// Returns undefined where another worker has changed the bucket meanwhile.
function tryToTake(zone: Numbers, name: string, limit: RateLimit): Taken | undefined {
  const { intervalMs } = limit;
  const keepMs = keepTime(limit);
  const nowMs = steadyMs();
  const before = read(zone, name, limit);
  if (before === undefined)
    return zone.add(name, nowMs + intervalMs, keepMs) ? { isAdmitted: true, pendingMs: intervalMs } : undefined;
  if (before < nowMs) return takeFromFull({ zone, name, limit, before, nowMs, keepMs });
  const after = zone.incr(name, intervalMs, 0, keepMs);
  return judge({ zone, name, limit, keepMs }, after - nowMs);
}

interface Bucket {
  zone: Numbers;
  name: string;
  limit: RateLimit;
  keepMs: number;
}

// A count that is over the limit is taken back.
function judge({ zone, name, limit, keepMs }: Bucket, pendingMs: number): Taken {
  if (pendingMs <= fullMs(limit) + roundingMs) return { isAdmitted: true, pendingMs };
  zone.incr(name, -limit.intervalMs, 0, keepMs);
  return { isAdmitted: false, pendingMs: pendingMs - limit.intervalMs };
}

// The time of a full bucket lies in the past, and one worker alone moves it to the present. `add` of a name that holds
// the time read is a compare-and-set: whoever adds the name, and finds the same time still there, moves it.
function takeFromFull(bucket: Bucket & { before: number; nowMs: number }): Taken | undefined {
  const { zone, name, limit, before, nowMs, keepMs } = bucket;
  const { intervalMs } = limit;
  const lock = `${name}@${before}`;
  if (zone.add(lock, 1, lockMs)) {
    const isSame = zone.get(name) === before;
    const after = isSame ? zone.incr(name, nowMs - before + intervalMs, 0, keepMs) : 0;
    zone.delete(lock);
    return isSame ? judge(bucket, after - nowMs) : undefined;
  }
  // Another worker is about to move the time, and to take its own request.
  const after = zone.incr(name, intervalMs, 0, keepMs);
  const isMoved = after - intervalMs >= nowMs;
  return judge(bucket, isMoved ? after - nowMs : after - before + intervalMs);
}

function keepTime(limit: RateLimit): number {
  return Math.ceil(fullMs(limit)) + marginMs;
}

// A reload with another size empties the zone of the steady clock, which then begins anew. A time that lies further
// ahead than all workers together can take is of the clock before, and the bucket counts as empty.
function read(zone: Numbers, name: string, limit: RateLimit): number | undefined {
  const fullAtMs = zone.get(name);
  const emptyMs = steadyMs() + fullMs(limit);
  if (fullAtMs === undefined || fullAtMs <= emptyMs + mostWorkers * limit.intervalMs) return fullAtMs;
  zone.set(name, emptyMs, keepTime(limit));
  return emptyMs;
}
