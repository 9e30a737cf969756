// RATE_LIMIT_KEY and rate= of a key line: how many requests one principal may send, whichever worker they reach.

import type { RateLimit } from '../../auth/rate_limit.js';
import { log } from '../platform.js';
import { takeRequest, type Taken } from './bucket.js';

const found: { zone: NgxSharedDict<number> | undefined } = { zone: undefined };

/**
 * Charges a request to a budget (Principal.budget).
 * @returns what the next call fills anew; undefined where shared memory has no room for the budget
 */
export function chargeRequest(budget: string, limit: RateLimit): Taken | undefined {
  try {
    if (found.zone === undefined) found.zone = ngx.shared.keygate_limits;
    return takeRequest(found.zone, budget, limit);
  } catch (_) {
    log(ngx.ERR, 'the zone keygate_limits is full; a request of a principal with a limit was refused');
    return undefined;
  }
}
