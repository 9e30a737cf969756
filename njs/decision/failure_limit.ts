// RATE_LIMIT_AUTH: how many failed credentials and minting requests one client network may send. The same leaky
// bucket as nginx's limit_req with nodelay, kept as the time at which it will be empty again.

import { clientNetwork } from '../../auth/client_network.js';

export interface Budget {
  /** @returns whether nothing is left, without spending any */
  isSpent: () => boolean;
  /** Takes one; @returns false when nothing was left */
  spend: () => boolean;
  /** @returns after how many whole seconds one may be taken again, at least 1 */
  retryAfterSeconds: () => number;
}

const unlimited: Budget = { isSpent: () => false, spend: () => true, retryAfterSeconds: () => 1 };

/** The budget of the client that sent a request; a limit that can't be read counts as the strictest. */
export function budgetOf(r: NginxHTTPRequest): Budget {
  const rate = String(r.variables.keygate_rate_limit_auth);
  if (rate === 'off') return unlimited;
  const match = /^([1-9]\d{0,6})r\/([sm])$/.exec(rate);
  const eachMs = match === null ? 3600000 : (match[2] === 's' ? 1000 : 60000) / Number(match[1]);
  const burst = Number(r.variables.keygate_rate_limit_auth_burst) || 0;
  return bucket(clientNetwork(r.remoteAddress), eachMs, eachMs * burst);
}

function bucket(key: string, eachMs: number, toleranceMs: number): Budget {
  const budgets = ngx.shared.keygate_budgets;
  const aheadMs = () => ((budgets.get(key) as number | undefined) || 0) - Date.now() - toleranceMs;
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

function take(key: string, eachMs: number, toleranceMs: number): void {
  const budgets = ngx.shared.keygate_budgets;
  const now = Date.now();
  const keepMs = Math.ceil(eachMs * 2 + toleranceMs);
  try {
    const emptyAt = budgets.incr(key, eachMs, now, keepMs);
    if (emptyAt < now + eachMs) budgets.set(key, now + eachMs, keepMs);
  } catch (_) {
    ngx.log(ngx.ERR, 'keygate: the zone keygate_budgets is full; a failed credential was not counted');
  }
}
