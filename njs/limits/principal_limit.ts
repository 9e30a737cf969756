// RATE_LIMIT_KEY and rate= of a key line: how many requests one principal may send, whichever worker they reach.

import { limitState, type LimitState } from '../../auth/rate_limit.js';
import type { Principal } from '../../auth/verdict.js';
import { log } from '../platform.js';
import { takeRequest } from './bucket.js';

/** What became of a request that was charged. */
export interface Charge {
  isAdmitted: boolean;
  state: LimitState;
}

/**
 * Charges a request to the budget of its principal. A budget belongs to a principal under one limit: a location with
 * another RATE_LIMIT_KEY has another budget.
 * @returns undefined where shared memory has no room for the budget
 */
export function chargeRequest({ budget, limit }: Principal): Charge | undefined {
  if (limit === null) return undefined;
  try {
    const name = `${budget} ${limit.intervalMs} ${limit.burst}`;
    const { isAdmitted, pendingMs } = takeRequest(ngx.shared.keygate_limits, name, limit);
    return { isAdmitted, state: limitState(limit, pendingMs) };
  } catch (_) {
    log(ngx.ERR, 'the zone keygate_limits is full; a request of a principal with a limit was refused');
    return undefined;
  }
}
