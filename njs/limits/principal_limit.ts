// RATE_LIMIT_KEY and rate= of a key line: how many requests one principal may send, whichever worker they reach.

import { leaseTerms } from '../../auth/lease.js';
import type { RateLimit } from '../../auth/rate_limit.js';
import { log } from '../platform.js';
import { takeRequest, type Taken } from './bucket.js';
import { takeFromStore, takeHere, type Ask, type Budget } from './lease.js';

interface Found extends Budget {
  isLooked: boolean;
  isCluster: boolean;
}

// Found once per context; name and limit are filled anew for each request.
const found: Found = {
  isLooked: false,
  isCluster: false,
  isClosed: false,
  zone: undefined as never,
  name: '',
  limit: undefined as never,
  terms: undefined as never,
};

/**
 * Charges a request to a budget (Principal.budget).
 * @returns what the next call fills anew, or a question where the store of a cluster must be asked; undefined where the
 * limit can't be kept just now
 */
export function chargeRequest(budget: string, limit: RateLimit, variables: NginxVariables): Taken | Ask | undefined {
  try {
    if (!found.isLooked) look(variables);
    return found.isCluster ? chargeHere(budget, limit) : takeRequest(found.zone, budget, limit);
  } catch (_) {
    return sayFull();
  }
}

/** Charges a request that `chargeRequest` could not. */
export async function chargeStore(r: NginxHTTPRequest, ask: Ask): Promise<Taken | undefined> {
  try {
    const taken = await takeFromStore(r, ask);
    return taken;
  } catch (_) {
    return sayFull();
  }
}

function look(variables: NginxVariables): void {
  found.zone = ngx.shared.keygate_limits;
  found.isCluster = variables.keygate_cluster === 'on';
  found.isClosed = variables.keygate_redis_down === 'closed';
  found.isLooked = true;
}

function chargeHere(budget: string, limit: RateLimit): Taken | Ask | undefined {
  found.name = budget;
  if (limit !== found.limit) {
    found.limit = limit;
    found.terms = leaseTerms(limit);
  }
  return takeHere(found);
}

function sayFull(): undefined {
  log(ngx.ERR, 'the zone keygate_limits is full; a request of a principal with a limit was refused');
}
