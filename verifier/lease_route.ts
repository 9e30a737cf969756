// POST /lease: how many requests of a budget this node may let pass. The answer is `{ away: true }` where the store is
// away, and `{ late: true }` where it may be there and has not answered in time.

import { mostLeased } from '../auth/lease.js';
import { maxBurst, type RateLimit } from '../auth/rate_limit.js';
import type { Wanted } from '../cluster/budgets.js';
import type { ClusterNode } from '../cluster/node.js';

export interface LeaseQuestion extends RateLimit, Wanted {
  budget: string;
}

const longestIntervalMs = 86400000;

export const leaseSchema = {
  type: 'object',
  required: ['budget', 'intervalMs', 'burst', 'want', 'spent'],
  properties: {
    budget: { type: 'string', minLength: 1, maxLength: 4096 },
    intervalMs: { type: 'number', exclusiveMinimum: 0, maximum: longestIntervalMs },
    burst: { type: 'integer', minimum: 0, maximum: maxBurst },
    want: { type: 'integer', minimum: 0, maximum: mostLeased },
    spent: { type: 'integer', minimum: 0, maximum: maxBurst },
  },
};

/** Answers nginx; without a cluster the store is away. */
export async function lease(
  cluster: Pick<ClusterNode, 'facts' | 'budgets'> | undefined,
  question: LeaseQuestion,
): Promise<object> {
  const { budget, intervalMs, burst, want, spent } = question;
  const granted = await cluster?.budgets.ask(budget, { intervalMs, burst }, { want, spent });
  const nodes = cluster?.facts().nodes ?? 1;
  if (granted === 'late') return { late: true, nodes };
  return granted === undefined ? { away: true, nodes } : { ...granted, nodes };
}
