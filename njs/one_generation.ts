// A verdict belongs to one generation of keys. While a request waits (for the sidecar, for a JWKS) the sets of keys may
// change, and the zone that it reads from be cleared for the set after the next: then it is decided again.

import { refusals } from '../auth/refusals.js';
import type { Verdict } from '../auth/verdict.js';
import { readGeneration } from './keys/shared_state.js';

/** How often one request is decided at most. */
export const maxAttempts = 3;

/** Whether other keys have come than a verdict rests on, so that it may be neither the last word nor remembered. */
export function isOvertaken(verdict: Verdict, generation: string): boolean {
  return readGeneration() !== generation && !isNoKnowledge(verdict);
}

// Our own failure, after a wait of up to 2 s: another would be too long, and nothing rests on it.
function isNoKnowledge(verdict: Verdict): boolean {
  return !verdict.admitted && refusals[verdict.reason].status >= 500;
}
