// RATE_LIMIT_AUTH: how many failed credentials and minting requests one client network may send. The same leaky
// bucket as nginx's limit_req with nodelay, kept as the time at which it will be empty again.

import { clientNetwork } from '../../auth/client_network.js';
import { refusals, type Reason } from '../../auth/refusals.js';
import { clockToleranceMs } from '../keys/shared_state.js';
import { log } from '../platform.js';

export interface FailureLimit {
  /** @returns whether the limit is spent, without counting a failure */
  isSpent: () => boolean;
  /** Counts a failure; @returns false when the limit was spent already */
  spend: () => boolean;
  /** @returns after how many whole seconds the limit allows a failure again, at least 1 */
  retryAfterSeconds: () => number;
}

const unlimited: FailureLimit = { isSpent: () => false, spend: () => true, retryAfterSeconds: () => 1 };

/**
 * The limit of one client; a setting that can't be parsed counts as the strictest limit.
 * @param address of the client, as nginx writes it
 */
export function failureLimit(variables: NginxVariables, address: string): FailureLimit {
  const rate = String(variables.keygate_rate_limit_auth);
  if (rate === 'off') return unlimited;
  const match = /^([1-9]\d{0,6})r\/([sm])$/.exec(rate);
  const eachMs = match === null ? 3600000 : (match[2] === 's' ? 1000 : 60000) / Number(match[1]);
  const burst = Number(variables.keygate_rate_limit_auth_burst) || 0;
  return bucket(clientNetwork(address), eachMs, eachMs * burst);
}

function bucket(key: string, eachMs: number, toleranceMs: number): FailureLimit {
  const aheadMs = () => pendingMs(key, eachMs, toleranceMs) - toleranceMs;
  return {
    isSpent: () => aheadMs() > 0,
    spend: () => {
      if (aheadMs() > 0) return false;
      take(key, eachMs, toleranceMs);
      return true;
    },
    retryAfterSeconds: () => Math.max(1, Math.ceil(aheadMs() / 1000)),
  };
}

const mostWorkers = 64; // at the same moment, each worker may spend what is left

/**
 * After how many milliseconds a bucket will be empty. A bucket that is more than full was filled before the clock was
 * set back: after a large step the bucket counts as empty, after a small step as full.
 */
function pendingMs(key: string, eachMs: number, toleranceMs: number): number {
  const budgets = ngx.shared.keygate_budgets;
  const emptyAt = budgets.get(key) as number | undefined;
  const nowMs = Date.now();
  const pending = emptyAt === undefined ? 0 : emptyAt - nowMs;
  const fullMs = eachMs + toleranceMs;
  if (pending <= fullMs + clockToleranceMs) return pending;
  const leftMs = pending > fullMs + mostWorkers * eachMs ? 0 : fullMs;
  budgets.set(key, nowMs + leftMs, Math.ceil(eachMs + fullMs));
  return leftMs;
}

function take(key: string, eachMs: number, toleranceMs: number): void {
  const budgets = ngx.shared.keygate_budgets;
  const now = Date.now();
  const keepMs = Math.ceil(eachMs * 2 + toleranceMs);
  try {
    const emptyAt = budgets.incr(key, eachMs, now, keepMs);
    if (emptyAt < now + eachMs) budgets.set(key, now + eachMs, keepMs);
  } catch (_) {
    log(ngx.ERR, 'the zone keygate_budgets is full; a failed credential was not counted');
  }
}

/** Whether a refusal counts against the limit: a wrong credential counts, a missing credential does not. */
export function isFailure(reason: Reason): boolean {
  return refusals()[reason].status === 401 && reason !== 'missing_credential' && reason !== 'unsupported_scheme';
}
