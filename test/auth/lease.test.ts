// Nodes that spend what they leased as late as they may, or all at once: no window sees more than the limit says.

import { describe, expect, it } from 'vitest';
import { leaseTerms, nextLease, shareOf, singleTerms } from '../../auth/lease.js';
import type { RateLimit } from '../../auth/rate_limit.js';

const limits: RateLimit[] = [
  { intervalMs: 1000, burst: 0 },
  { intervalMs: 1000, burst: 60 },
  { intervalMs: 100, burst: 20 },
  { intervalMs: 1000 / 7, burst: 16 },
  { intervalMs: 20, burst: 50 },
  { intervalMs: 1, burst: 400 },
  { intervalMs: 3600000, burst: 20 },
];

function seed(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** When requests pass that nodes lease at random and spend at random, or as late as they may. */
function passTimes(limit: RateLimit, random: () => number): number[] {
  const { limit: kept, lifetimeMs, most } = leaseTerms(limit);
  const passed: number[] = [];
  const together = lifetimeMs * 3 + limit.intervalMs * 2;
  let nowMs = 0;
  let fullAtMs = 0;
  for (let i = 0; i < 400 && passed.length < 4000; i++) {
    nowMs += random() < 0.5 ? 0 : random() * limit.intervalMs * most;
    fullAtMs = Math.max(fullAtMs, nowMs);
    const room = Math.floor((nowMs + kept.intervalMs * (kept.burst + 1) - fullAtMs) / kept.intervalMs + 1e-9);
    const granted = Math.max(0, Math.min(room, 1 + Math.floor(random() * most)));
    fullAtMs += granted * kept.intervalMs;
    for (let j = 0; j < granted; j++) {
      const isLate = random() < 0.7;
      const aimed = isLate ? Math.ceil(nowMs / together) * together : nowMs + random() * lifetimeMs;
      passed.push(Math.min(nowMs + lifetimeMs, Math.max(nowMs, aimed)));
    }
  }
  return passed.sort((a, b) => a - b);
}

/** How many more pass in the worst window than the limit says. */
function excess(passed: number[], { intervalMs, burst }: RateLimit): number {
  let worst = -Infinity;
  passed.forEach((from, i) => {
    for (let j = i; j < passed.length; j++) {
      const most = burst + 1 + Math.floor(((passed[j] as number) - from) / intervalMs + 1e-6);
      worst = Math.max(worst, j - i + 1 - most);
    }
  });
  return worst;
}

describe('terms of a lease', () => {
  it.each(limits)('let no window see more than $burst and one beside one each $intervalMs ms', (limit) => {
    let worst = -Infinity;
    for (let run = 0; run < 8; run++) worst = Math.max(worst, excess(passTimes(limit, seed(run)), limit));
    expect(worst).toBeLessThanOrEqual(0);
    if (limit.burst < 100) expect(worst).toBeGreaterThan(-5); // the runs come close
  });

  it.each([
    [{ intervalMs: 1000, burst: 0 }, 1, 0, 0],
    [{ intervalMs: 1000, burst: 60 }, 1, 60, 0],
    [{ intervalMs: 3600000, burst: 1000 }, 1, 1000, 0],
    [{ intervalMs: 1, burst: 100 }, 1, 100, 0], // 12 ms would be over before the answer is there
    [{ intervalMs: 100, burst: 20 }, 2, 18, 200],
    [{ intervalMs: 20, burst: 100 }, 12, 88, 240],
    [{ intervalMs: 1, burst: 100000 }, 1000, 99000, 1000],
  ])('of %j: leases of %i, a burst of %i, for %i ms', (limit, most, burst, lifetimeMs) => {
    expect(leaseTerms(limit)).toEqual({ limit: { ...limit, burst }, lifetimeMs, most });
  });

  it('are those of no lease where each request asks', () => {
    const limit = { intervalMs: 20, burst: 100 };
    expect(singleTerms(limit)).toEqual({ limit, lifetimeMs: 0, most: 1 });
  });
});

describe('the next lease', () => {
  const terms = leaseTerms({ intervalMs: 20, burst: 100 });

  it('is twice as large after one that was spent early, up to the most, as large after one spent late', () => {
    expect(nextLease(1, 200, terms)).toBe(2);
    expect(nextLease(8, 200, terms)).toBe(12);
    expect(nextLease(8, 60, terms)).toBe(8);
  });

  it('is half as large after one that was not spent, and one request at least', () => {
    expect(nextLease(8, 0, terms)).toBe(4);
    expect(nextLease(1, -5, terms)).toBe(1);
  });
});

describe('the share of a node', () => {
  it.each([
    [{ intervalMs: 1000, burst: 9 }, 1, { intervalMs: 1000, burst: 9 }],
    [{ intervalMs: 1000, burst: 9 }, 5, { intervalMs: 5000, burst: 1 }],
    [{ intervalMs: 1000, burst: 9 }, 3, { intervalMs: 3000, burst: 2 }],
    [{ intervalMs: 1000, burst: 0 }, 5, { intervalMs: 5000, burst: 0 }],
  ])('of %j among %i is %j', (limit, count, share) => {
    expect(shareOf(limit, count)).toEqual(share);
  });
});
