// How the nodes of a cluster share a limit without exceeding it. The store has one bucket for all nodes. A node leases
// requests from the bucket, and may let a leased request pass until the lease ends.
//
// No window of a length W may see more than burst + 1 + W / interval requests. What passes in the window was leased in
// it or at most one lifetime T before it: at most (W + T) / interval beside the store's own burst + 1. So the store's
// burst is smaller than the limit's by T / interval, rounded up.

import type { RateLimit } from './rate_limit.js';

export interface LeaseTerms {
  /** The limit that the store keeps for all nodes together. */
  limit: RateLimit;
  /** How long leased requests may wait; 0 where only the request that asks may pass, at once. */
  lifetimeMs: number;
  /** How many requests a lease has at most. */
  most: number;
}

const burstPart = 8; // leases cost at most an eighth of the burst
const longestMs = 1000;
const shortestMs = 20; // a shorter lease would have ended before the store's answer is there
/** How many requests any lease has at most. */
export const mostLeased = 1000;

/** @returns the terms of a limit; leases that would be too small or too short to be of use there are none */
export function leaseTerms(limit: RateLimit): LeaseTerms {
  const { intervalMs, burst } = limit;
  const shifted = Math.min(Math.floor(burst / burstPart), Math.ceil(longestMs / intervalMs));
  const lifetimeMs = Math.min(longestMs, shifted * intervalMs);
  const most = Math.min(mostLeased, Math.floor(lifetimeMs / intervalMs + 1e-9));
  if (most < 2 || lifetimeMs < shortestMs) return singleTerms(limit);
  return { limit: { intervalMs, burst: burst - shifted }, lifetimeMs, most };
}

/** @returns the terms under which each request asks the store: exact, and without a smaller burst */
export function singleTerms(limit: RateLimit): LeaseTerms {
  return { limit, lifetimeMs: 0, most: 1 };
}

/**
 * Chooses the size of a lease by recent demand: a node that is quiet leases one request, and a lease that a node spends
 * early is followed by one of twice its size.
 * @param size of the lease before
 * @param restMs how long the lease before would have gone on; 0 or less where it ended with requests left
 */
export function nextLease(size: number, restMs: number, { lifetimeMs, most }: LeaseTerms): number {
  if (restMs <= 0) return Math.max(1, Math.floor(size / 2));
  return restMs > lifetimeMs / 2 ? Math.min(most, size * 2) : size;
}

/**
 * A node's part of a limit, for as long as the store is away.
 * @param nodes how many there are; a limit of fewer requests than nodes leaves each node one at once
 */
export function shareOf({ intervalMs, burst }: RateLimit, nodes: number): RateLimit {
  return { intervalMs: intervalMs * nodes, burst: Math.max(1, Math.floor((burst + 1) / nodes)) - 1 };
}
