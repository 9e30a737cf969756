// RATE_LIMIT_AUTH: how many failed credentials and minting requests one client network may send.

import { clientNetwork } from '../../auth/client_network.js';
import { singleTerms } from '../../auth/lease.js';
import { refusals, type Reason } from '../../auth/refusals.js';
import { parseBurst, parseRate, retryAfterMs as waitOf, type RateLimit } from '../../auth/rate_limit.js';
import { log } from '../platform.js';
import { pendingOf, takeRequest, type Taken } from './bucket.js';
import { takeFromStore, takeHere, waitHere, waitOfStore, type Ask, type Budget } from './lease.js';

/** Why a failure may not be tried or counted; undefined where it may. */
export type Spent = 'rate_limited' | 'limits_unavailable' | undefined;

/** A value, or in a cluster a promise of one where the store must be asked. */
type Now<T> = T | Promise<T>;

export interface FailureLimit {
  /** @returns why no further credential may be tried, without counting a failure */
  check: () => Now<Spent>;
  /** Counts a failure; @returns why it may not be answered as such */
  spend: () => Now<Spent>;
  /** @returns milliseconds after which the limit allows a failure again */
  retryAfterMs: () => number;
}

const unlimited: FailureLimit = { check: () => undefined, spend: () => undefined, retryAfterMs: () => 0 };

const strictest: RateLimit = { intervalMs: 3600000, burst: 0 };

/**
 * The limit of one client; a setting that can't be parsed counts as the strictest limit.
 * @param address of the client, as nginx writes it
 */
export function failureLimit(r: NginxHTTPRequest, address: string): FailureLimit {
  const variables = r.variables;
  const rate = String(variables.keygate_rate_limit_auth);
  if (rate === 'off') return unlimited;
  const intervalMs = parseRate(rate);
  const burst = parseBurst(variables.keygate_rate_limit_auth_burst || '0') || 0;
  const limit = intervalMs === undefined ? strictest : { intervalMs, burst };
  const network = clientNetwork(address);
  if (variables.keygate_cluster !== 'on') return limitOf(network, limit);
  const isClosed = variables.keygate_redis_down === 'closed';
  const zone = ngx.shared.keygate_budgets;
  return limitOfCluster(r, { zone, name: `network ${network}`, limit, terms: singleTerms(limit), isClosed });
}

function limitOf(network: string, limit: RateLimit): FailureLimit {
  const zone = ngx.shared.keygate_budgets;
  const retryAfterMs = () => waitOf(limit, pendingOf(zone, network, limit));
  return {
    check: () => (retryAfterMs() > 0 ? 'rate_limited' : undefined),
    spend: () => {
      try {
        return refusalOf(takeRequest(zone, network, limit));
      } catch (_) {
        return sayFull();
      }
    },
    retryAfterMs,
  };
}

function limitOfCluster(r: NginxHTTPRequest, budget: Budget): FailureLimit {
  return {
    check: async () => {
      const waitMs = await waitOfStore(r, budget);
      if (waitMs === undefined) return 'limits_unavailable';
      return waitMs > 0 ? 'rate_limited' : undefined;
    },
    spend: () => {
      try {
        const taken = takeHere(budget);
        return taken !== undefined && 'want' in taken ? spendLater(r, taken) : refusalOf(taken);
      } catch (_) {
        return sayFull();
      }
    },
    retryAfterMs: () => waitHere(budget) || 0,
  };
}

async function spendLater(r: NginxHTTPRequest, ask: Ask): Promise<Spent> {
  try {
    const taken = await takeFromStore(r, ask);
    return refusalOf(taken);
  } catch (_) {
    return sayFull();
  }
}

function refusalOf(taken: Taken | undefined): Spent {
  if (taken === undefined) return 'limits_unavailable';
  return taken.isAdmitted ? undefined : 'rate_limited';
}

function sayFull(): undefined {
  log(ngx.ERR, 'the zone keygate_budgets is full; a failed credential was not counted');
}

/** Whether a refusal counts against the limit: a wrong credential counts, a missing credential does not. */
export function isFailure(reason: Reason): boolean {
  return refusals()[reason].status === 401 && reason !== 'missing_credential' && reason !== 'unsupported_scheme';
}
