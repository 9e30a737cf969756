// Requests that wait for what one worker brings into shared memory: each looks there again and again, since a promise
// that another request made may never settle (rule 3 in docs/nginx-traps.md). Few may wait at a time: each holds a
// context.

/** How long anybody waits. */
export const maxWaitMs = 2000;
/** How often a waiting request looks. */
export const lookEveryMs = 50;
const maxWaiting = 32; // of a worker

/**
 * Counts a request in among those that wait.
 * @returns false when too many do. Counted by spans of time: a request that its client gives up on leaves nothing to be
 * taken back.
 */
export function mayWait(nowMs: number): boolean {
  const budgets = ngx.shared.keygate_budgets;
  const span = Math.floor(nowMs / maxWaitMs);
  const name = (number: number) => `waiting:${ngx.worker_id}:${number}`;
  const earlier = (budgets.get(name(span - 1)) as number | undefined) || 0;
  return earlier + budgets.incr(name(span), 1, 0, 3 * maxWaitMs) <= maxWaiting;
}

/** Resolves after so many milliseconds. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
