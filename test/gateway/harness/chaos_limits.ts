// Whether more passed in any window than a limit of the whole cluster says.

import type { RateLimit } from '../../../auth/rate_limit.js';
import { shareOf } from '../../../auth/lease.js';
import type { Answer, Outage } from './chaos_record.js';

export interface Kept {
  limit: RateLimit;
  outages: Outage[];
  /** When the store lost its data. */
  losses: number[];
  /** REDIS_DOWN=share: the fewest nodes that any node saw last; undefined with `closed`. */
  sharedBy: number | undefined;
  nodes: number;
}

/** How long a node that is back goes on with its share, and owes the store what it passed. */
const afterMs = 3000;

/**
 * @returns how many more than allowed passed in the worst window; 0 or less keeps the limit. A request counts in a
 * window that it lies in as a whole. Each loss of data in a window allows one burst more. With `share`, each node that
 * was cut off in the window may pass its share beside the others.
 */
export function worstExcess(answers: Answer[], kept: Kept): number {
  const { intervalMs, burst } = kept.limit;
  const passed = answers.filter(({ status }) => status === 200).sort((a, b) => a.endMs - b.endMs);
  let worst = -Infinity;
  for (const { startMs: fromMs } of passed) {
    let count = 0;
    for (const { startMs, endMs } of passed) {
      if (startMs < fromMs) continue;
      count++;
      const plain = count - burst - 1 - Math.floor((endMs - fromMs) / intervalMs + 1e-6);
      if (plain > worst) worst = Math.max(worst, plain - Math.floor(extra(kept, fromMs, endMs)));
    }
  }
  return worst;
}

function extra({ limit, outages, losses, sharedBy, nodes }: Kept, fromMs: number, toMs: number): number {
  const lost = losses.filter((ms) => ms >= fromMs - afterMs && ms <= toMs).length * (limit.burst + 1);
  if (sharedBy === undefined) return lost;
  const share = shareOf(limit, sharedBy);
  const shares = outages.map((outage) => {
    const overlapMs = Math.min(toMs, outage.toMs + afterMs) - Math.max(fromMs, outage.fromMs);
    if (overlapMs < 0) return 0;
    return (share.burst + 1 + overlapMs / share.intervalMs) * (outage.part === 'store' ? nodes : 1);
  });
  return lost + shares.reduce((sum, one) => sum + one, 0);
}
