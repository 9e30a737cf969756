// While the sidecar's queue of keys is full, nobody is sent there: the answer would be the same, at the price of a
// subrequest for each of a flood of wrong keys.

import type { Verdict } from '../../auth/verdict.js';

const longestMs = 200; // keys whose askers have given up waiting leave the queue without a word

const zone = () => ngx.shared.keygate_refused;
const name = 'queue_full'; // all other names there are digests

/** Whether the sidecar has told any worker that its queue is full, and no key has been checked since. */
export function isQueueFull(): boolean {
  return zone().get(name) !== undefined;
}

/** Notes what an answer about a key says of the queue; one about a key that waited in vain says nothing. */
export function noteQueue(verdict: Verdict, isFull: boolean): void {
  try {
    if (isFull) zone().set(name, name, longestMs);
    else if (verdict.admitted || verdict.reason !== 'verifier_busy') zone().delete(name);
  } catch (_) {
    // Not noted: the next request asks.
  }
}
