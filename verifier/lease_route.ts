// POST /lease: how many requests of a budget this node may let pass. The answer is `{ away: true }` where the store is
// away, and `{ late: true }` where it may be there and has not answered in time.

import { isJsonObject, isText } from '../auth/json.js';
import { mostLeased } from '../auth/lease.js';
import { maxBurst, type RateLimit } from '../auth/rate_limit.js';
import type { Wanted } from '../cluster/budgets.js';
import type { ClusterNode } from '../cluster/node.js';

export interface LeaseQuestion extends RateLimit, Wanted {
  budget: string;
}

const longestIntervalMs = 86400000;

/** @returns the question, or undefined where a request's body is none */
export function parseLeaseQuestion(body: unknown): LeaseQuestion | undefined {
  if (!isJsonObject(body) || !isText(body['budget'], 4096) || body['budget'] === '') return undefined;
  const { intervalMs, burst, want, spent } = body;
  if (typeof intervalMs !== 'number' || !(intervalMs > 0 && intervalMs <= longestIntervalMs)) return undefined;
  const isGood = isCount(burst, maxBurst) && isCount(want, mostLeased) && isCount(spent, maxBurst);
  return isGood ? (body as object as LeaseQuestion) : undefined;
}

function isCount(value: unknown, most: number): boolean {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= most;
}

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
