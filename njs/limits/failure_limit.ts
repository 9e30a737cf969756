// RATE_LIMIT_AUTH: how many failed credentials and minting requests one client network may send.

import { clientNetwork } from '../../auth/client_network.js';
import { refusals, type Reason } from '../../auth/refusals.js';
import { parseBurst, parseRate, retryAfterMs as waitOf, type RateLimit } from '../../auth/rate_limit.js';
import { log } from '../platform.js';
import { pendingOf, takeRequest } from './bucket.js';

export interface FailureLimit {
  /** @returns whether the limit is spent, without counting a failure */
  isSpent: () => boolean;
  /** Counts a failure; @returns false when the limit was spent already */
  spend: () => boolean;
  /** @returns milliseconds after which the limit allows a failure again */
  retryAfterMs: () => number;
}

const unlimited: FailureLimit = { isSpent: () => false, spend: () => true, retryAfterMs: () => 0 };

const strictest: RateLimit = { intervalMs: 3600000, burst: 0 };

/**
 * The limit of one client; a setting that can't be parsed counts as the strictest limit.
 * @param address of the client, as nginx writes it
 */
export function failureLimit(variables: NginxVariables, address: string): FailureLimit {
  const rate = String(variables.keygate_rate_limit_auth);
  if (rate === 'off') return unlimited;
  const intervalMs = parseRate(rate);
  const burst = parseBurst(variables.keygate_rate_limit_auth_burst || '0') || 0;
  return limitOf(clientNetwork(address), intervalMs === undefined ? strictest : { intervalMs, burst });
}

function limitOf(network: string, limit: RateLimit): FailureLimit {
  const zone = ngx.shared.keygate_budgets;
  const retryAfterMs = () => waitOf(limit, pendingOf(zone, network, limit));
  return {
    isSpent: () => retryAfterMs() > 0,
    spend: () => {
      try {
        return takeRequest(zone, network, limit).isAdmitted;
      } catch (_) {
        log(ngx.ERR, 'the zone keygate_budgets is full; a failed credential was not counted');
        return true;
      }
    },
    retryAfterMs,
  };
}

/** Whether a refusal counts against the limit: a wrong credential counts, a missing credential does not. */
export function isFailure(reason: Reason): boolean {
  return refusals()[reason].status === 401 && reason !== 'missing_credential' && reason !== 'unsupported_scheme';
}
