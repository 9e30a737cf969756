// The buckets of the histograms, and values of labels. A file of its own: nginx's old engine runs top-level code on
// every request, and the decision needs no table.

/** Seconds until the first byte of an answer. */
export const firstByteBounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Seconds that a decision takes. */
export const decisionBounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/** Seconds that a comparison with a bcrypt hash takes. */
export const bcryptBounds = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/**
 * What a request is for: a guarded location; POST /token; /.well-known/jwks.json; anything else, such as what nginx
 * itself refuses.
 */
export const routes = ['api', 'token', 'jwks', 'other'];

/** Which limit refused a request: RATE_LIMIT_API; RATE_LIMIT_AUTH; the limit of a key. */
export const limits = ['address', 'failures', 'key'];

/** Where a verdict was found: in this context, in shared memory, or nowhere, so that it was reached anew. */
export const cacheLevels = ['context', 'shared', 'none'];

export type CacheLevel = 'context' | 'shared' | 'none';

/** @returns the place of the bucket that counts a value; one past the last bound for +Inf */
export function bucketOf(value: number, bounds: readonly number[]): number {
  let place = 0;
  while (place < bounds.length && value > (bounds[place] as number)) place++;
  return place;
}
