// A verdict and the generation it belongs to. While a request waits (for the sidecar, for a JWKS) the sets of keys may
// change, and the zone that it reads from be cleared for the set after the next: then it is decided again.

import { refusals } from '../auth/refusals.js';
import type { Verdict } from '../auth/verdict.js';
import { readGeneration } from './state.js';

/** What was decided; it may be remembered only if `isSteady`: the generation is still the one it was decided under. */
export interface DatedVerdict {
  verdict: Verdict;
  generation: string;
  isSteady: boolean;
}

const maxAttempts = 3;

/**
 * Decides under one generation, again if another has come meanwhile.
 * @returns undefined while no generation is there yet
 */
export async function decideInOneGeneration(
  decideUnder: (generation: string) => Promise<Verdict>,
): Promise<DatedVerdict | undefined> {
  for (let attempt = 1; ; attempt++) {
    const generation = readGeneration();
    if (generation === undefined) return undefined;
    const verdict = await decideUnder(generation);
    const isSteady = readGeneration() === generation;
    if (isSteady || attempt === maxAttempts || isNoKnowledge(verdict))
      return { verdict, generation, isSteady };
  }
}

// Our own failure, after a wait of up to 2 s: another would be too long, and nothing rests on it.
function isNoKnowledge(verdict: Verdict): boolean {
  return !verdict.admitted && refusals[verdict.reason].status >= 500;
}
