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
const lockMs = 1000; // of a worker that was killed meanwhile
const maxAttempts = 8;
const roundingMs = 1e-3;
// A reload with another size empties the zone of the steady clock, which then begins anew. A time that lies further
// ahead than all workers together can take is of the clock before, and the bucket counts as empty.
const mostWorkers = 64;

const latest: Taken = { isAdmitted: false, pendingMs: 0 };

/**
 * Takes one request from a bucket.
 * @returns whether the bucket had one, in an object that the next call fills anew; throws SharedMemoryError when the
 * zone is full
 */
export function takeRequest(zone: Numbers, name: string, limit: RateLimit): Taken {
  const { intervalMs } = limit;
  const emptyMs = fillMs(limit);
  const keepMs = Math.ceil(emptyMs) + marginMs;
  for (let i = 0; i < maxAttempts; i++) {
    const nowMs = steadyMs();
    const before = zone.get(name);
    if (before === undefined) {
      if (zone.add(name, nowMs + intervalMs, keepMs)) return fill(true, intervalMs);
    } else if (before > nowMs + emptyMs + mostWorkers * intervalMs) {
      zone.set(name, nowMs + emptyMs, keepMs);
    } else if (before < nowMs) {
      const pendingMs = takeFromFull({ zone, name, limit, before, nowMs });
      if (pendingMs !== undefined) return judge({ zone, name, limit }, pendingMs);
    } else {
      return judge({ zone, name, limit }, zone.incr(name, intervalMs, 0, keepMs) - nowMs);
    }
  }
  return fill(false, emptyMs); // other workers have changed the bucket again and again
}

/** @returns how long the bucket takes to become full again; takes nothing */
export function pendingOf(zone: Numbers, name: string, limit: RateLimit): number {
  const fullAtMs = zone.get(name);
  return fullAtMs === undefined ? 0 : Math.min(fillMs(limit), Math.max(0, fullAtMs - steadyMs()));
}

function fill(isAdmitted: boolean, pendingMs: number): Taken {
  latest.isAdmitted = isAdmitted;
  latest.pendingMs = pendingMs;
  return latest;
}

interface Bucket {
  zone: Numbers;
  name: string;
  limit: RateLimit;
}

// A count that is over the limit is taken back.
function judge({ zone, name, limit }: Bucket, pendingMs: number): Taken {
  if (pendingMs <= fillMs(limit) + roundingMs) return fill(true, pendingMs);
  zone.incr(name, -limit.intervalMs, 0, keepTime(limit));
  return fill(false, pendingMs - limit.intervalMs);
}

// The time of a full bucket lies in the past, and one worker alone moves it to the present. `add` of a name that holds
// the time read is a compare-and-set: whoever adds the name, and finds the same time still there, moves it. Returns
// undefined where another worker has moved it meanwhile.
function takeFromFull({ zone, name, limit, before, nowMs }: Bucket & { before: number; nowMs: number }) {
  const { intervalMs } = limit;
  const keepMs = keepTime(limit);
  const lock = name + '@' + before;
  if (zone.add(lock, 1, lockMs)) {
    const isSame = zone.get(name) === before;
    const after = isSame ? zone.incr(name, nowMs - before + intervalMs, 0, keepMs) : 0;
    zone.delete(lock);
    return isSame ? after - nowMs : undefined;
  }
  // Another worker is about to move the time, and to take its own request.
  const after = zone.incr(name, intervalMs, 0, keepMs);
  return after - intervalMs >= nowMs ? after - nowMs : after - before + intervalMs;
}

function keepTime(limit: RateLimit): number {
  return Math.ceil(fillMs(limit)) + marginMs;
}
