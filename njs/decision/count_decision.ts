// What is counted of a decision: its verdict and reason, which cache knew it, how long it took, and whose key it was.

import { isKeyBudget } from '../../auth/key_record.js';
import type { Reason } from '../../auth/refusals.js';
import type { Verdict } from '../../auth/verdict.js';
import { bucketOf, decisionBounds, type CacheLevel } from '../../monitoring/buckets.js';
import { count, counters } from '../counters.js';
import { countKey } from '../keys/counted_keys.js';

/**
 * Counts a decision about a guarded request, where metrics are on.
 * @param tookMs 0 for a decision without a promise, which takes less than a millisecond
 */
export function countDecision(verdict: Verdict, level: CacheLevel, tookMs: number): void {
  if (counters() === undefined) return;
  countReason(verdict.admitted ? '' : verdict.reason, level, tookMs);
  const { principal } = verdict;
  if (principal !== undefined && isKeyBudget(principal.budget)) countKey(principal.keyId, !verdict.admitted);
}

/**
 * Counts the reason of a decision; '' for an admission.
 * @param level '' for a decision that asks no cache, about POST /token
 */
export function countReason(reason: Reason | '', level: CacheLevel | '', tookMs: number): void {
  if (tookMs === 0) {
    count(reason === '' && level === 'context' ? 'd||context|0' : `d|${reason}|${level}|0`, 1); // most are the first
    return;
  }
  count(`d|${reason}|${level}|${bucketOf(tookMs / 1000, decisionBounds)}`, 1);
  count('decision_ms', tookMs);
}
