// Clients that send at once whatever they can to every worker of a gateway, whose workers may be killed and whose clock
// may be set: a bucket admits what its limit says, neither more nor for long less.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RateLimit } from '../../../auth/rate_limit.js';
import { InterleavedWorkers, type Taken } from './interleaved_workers.js';

const workerCount = 4;
const startMs = Date.UTC(2026, 0, 1);
const hourMs = 3600000;
const lockMs = 2000;

let workers: InterleavedWorkers;
let random: () => number;

beforeAll(async () => {
  workers = await InterleavedWorkers.open(workerCount);
});
afterAll(() => workers?.close());

const below = (limit: number) => Math.floor(random() * limit);
const oneOf = <T>(values: T[]) => values[below(values.length)] as T;
const fullMs = ({ intervalMs, burst }: RateLimit) => intervalMs * (burst + 1);
const wait = (ms: number) => {
  workers.clock.steadyMs += ms;
  workers.clock.wallMs += ms;
};

const setClock = (offsetMs: number) => {
  workers.clock.wallMs = startMs + workers.clock.steadyMs + offsetMs;
};

// mulberry32
function seed(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

function begin(run: number): void {
  random = seed(run);
  workers.empty();
  workers.clock.steadyMs = 5000 + below(100000);
  setClock(0);
}

/** One request alone, from its beginning to its end. */
function askAlone(limit: RateLimit): Taken {
  const worker = oneOf(workers.idle());
  workers.begin(worker, limit);
  for (let i = 0; i < 100000; i++) {
    const taken = workers.step(worker);
    if (taken !== undefined) return taken;
  }
  return expect.unreachable('a request without an end');
}

/** @returns how many refused requests the worker leaves counted */
function kill(worker: number): number {
  const [method, , value = 0] = workers.nextOf(worker) ?? ['get', ''];
  workers.kill(worker);
  return method === 'incr' && value < 0 ? 1 : 0;
}

interface Race {
  limit: RateLimit;
  requests: number;
  /** Called before each access. */
  meanwhile?: () => void;
}

/** Many requests, of which as many as there are workers run at a time, interleaved at each access. */
function race({ limit, requests, meanwhile }: Race): Taken[] {
  const all: Taken[] = [];
  let begun = 0;
  while (begun < requests || workers.busy().length > 0) {
    const idle = workers.idle();
    const busy = workers.busy();
    if (begun < requests && idle.length > 0 && (busy.length === 0 || random() < 0.5)) {
      workers.begin(oneOf(idle), limit);
      begun++;
      continue;
    }
    meanwhile?.();
    const still = workers.busy();
    const taken = still.length === 0 ? undefined : workers.step(oneOf(still));
    if (taken !== undefined) all.push(taken);
  }
  return all;
}

/** Of all that was admitted within any interval, no more than the limit says. */
function expectWithin(all: Taken[], limit: RateLimit, run: number): void {
  const admitted = all.filter(({ isAdmitted }) => isAdmitted);
  const starts = [...new Set(admitted.map(({ startMs }) => startMs))];
  const ends = [...new Set(admitted.map(({ endMs }) => endMs))];
  for (const from of starts)
    for (const to of ends.filter((end) => end >= from)) {
      const count = admitted.filter(({ startMs, endMs }) => startMs >= from && endMs <= to).length;
      const most = limit.burst + 1 + Math.floor((to - from) / limit.intervalMs + 1e-6);
      expect(count, `run ${run}: ${JSON.stringify(limit)}, ${to - from} ms`).toBeLessThanOrEqual(most);
    }
}

const limits: RateLimit[] = [
  { intervalMs: 1000, burst: 0 },
  { intervalMs: 1000, burst: 2 },
  { intervalMs: 1000 / 7, burst: 5 },
  { intervalMs: hourMs, burst: 1 },
];

describe('a bucket that several workers share', () => {
  it('never admits more than its limit, and admits all of it, however the workers interleave', () => {
    for (let run = 0; run < 300; run++) {
      begin(run);
      const limit = oneOf(limits);
      const all: Taken[] = [];
      let isFull = true;
      for (let round = 0; round < 3; round++) {
        const before = all.length;
        all.push(...race({ limit, requests: limit.burst + 2 + below(5) }));
        const admitted = all.slice(before).filter(({ isAdmitted }) => isAdmitted).length;
        if (isFull) expect(admitted, `run ${run}`).toBe(limit.burst + 1);
        const pause = oneOf([1, limit.intervalMs, fullMs(limit) + 1, fullMs(limit) * 3]);
        wait(pause);
        isFull = pause > fullMs(limit);
      }
      expectWithin(all, limit, run);
    }
  });

  // A worker that is killed while it takes a refused request back leaves that request counted.
  it('lets nobody in beyond the limit, and locks nobody out, where workers are killed and the clock is set', () => {
    for (let run = 0; run < 300; run++) {
      begin(1000 + run);
      const limit = oneOf(limits);
      const all: Taken[] = [];
      let left = 0;
      const meanwhile = () => {
        if (random() < 0.05) left += kill(oneOf(workers.busy()));
        if (random() < 0.05) setClock(oneOf([-hourMs, 0, hourMs]));
      };
      for (let round = 0; round < 3; round++) {
        all.push(...race({ limit, requests: limit.burst + 2 + below(5), meanwhile }));
        wait(oneOf([1, limit.intervalMs, fullMs(limit) + 1]));
      }
      expectWithin(all, limit, run);
      wait(Math.max(fullMs(limit) + left * limit.intervalMs, lockMs) + 1);
      expect(askAlone(limit).isAdmitted, `run ${run}: ${JSON.stringify(limit)}`).toBe(true);
    }
  });

  it('lets nobody in beyond the limit while time goes on between the accesses', () => {
    for (let run = 0; run < 200; run++) {
      begin(2000 + run);
      const limit = oneOf(limits);
      const meanwhile = () => wait(random() < 0.2 ? limit.intervalMs / 50 : 0);
      expectWithin(race({ limit, requests: 20 + 3 * limit.burst, meanwhile }), limit, run);
    }
  });

  it('refuses a single client that keeps to the rate never, and otherwise by the definition of the bucket', () => {
    for (let run = 0; run < 60; run++) {
      begin(3000 + run);
      const limit = oneOf(limits);
      const isKeeping = run % 2 === 0;
      let fullAtMs = 0;
      for (let i = 0; i < 25; i++) {
        const { steadyMs } = workers.clock;
        const pendingMs = Math.max(fullAtMs, steadyMs) + limit.intervalMs - steadyMs;
        const isDue = pendingMs <= fullMs(limit) + 1e-3;
        const taken = askAlone(limit);
        expect(taken.isAdmitted, `run ${run}, request ${i}`).toBe(isDue);
        expect(taken.pendingMs).toBeCloseTo(isDue ? pendingMs : pendingMs - limit.intervalMs, 3);
        if (isKeeping) expect(isDue).toBe(true);
        if (isDue) fullAtMs = steadyMs + pendingMs;
        const pauses = [limit.intervalMs, limit.intervalMs * 1.5, fullMs(limit) * 2];
        wait(Math.ceil(oneOf(isKeeping ? pauses : [0, 1, limit.intervalMs / 2, ...pauses])));
      }
    }
  });

  it('counts a time of a clock before as an empty bucket', () => {
    for (const limit of limits) {
      begin(4000);
      wait(100 * hourMs);
      expect(askAlone(limit).isAdmitted).toBe(true);
      workers.clock.steadyMs = 0; // the zone of the steady clock was made anew
      expect(askAlone(limit)).toMatchObject({ isAdmitted: false, pendingMs: fullMs(limit) });
      wait(Math.ceil(limit.intervalMs));
      expect(askAlone(limit).isAdmitted).toBe(true);
    }
  });
});
