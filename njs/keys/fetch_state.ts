// What shared memory knows of the fetches of each set of JWKs: when they were, how they ended, who waits for one.

import type { JwksSource } from './stored_jwks.js';
import { clearState, readState, writeState } from './shared_state.js';

/** At most one fetch of a set for unknown kids in this time. */
export const windowMs = 10000;

/** Asks for a fetch: the source first, so that whoever sees `wanted` sees the source too. */
export function wantFetch(source: JwksSource): void {
  writeState(`wanted:${source}`, '1');
  writeState('wanted', '1');
}

/** Whether nobody has asked for any fetch since the last call. */
export function isNothingWanted(): boolean {
  if (readState('wanted') === undefined) return true;
  clearState('wanted');
  return false;
}

/** For requests that wait: the number of fetches so far, and how the last of them ended. */
export function noteFetch(source: JwksSource, isGood: boolean, nowMs: number): void {
  writeState(isGood ? `fetched_ms:${source}` : `fetch_failed_ms:${source}`, String(nowMs));
  const count = parseInt(readState(`fetches:${source}`) || '0', 10) + 1;
  writeState(`fetches:${source}`, `${count} ${isGood ? 'ok' : 'no'}`);
}

/** Forgets all fetches of a set: it comes from elsewhere now. */
export function forgetFetches(source: JwksSource): void {
  clearState(`fetched_ms:${source}`);
  clearState(`fetch_started_ms:${source}`);
  clearState(`fetch_failed_ms:${source}`);
  clearState(`fetches:${source}`);
  clearState(`wanted:${source}`);
}

/** Resets the stored times after the clock was set back, or they would delay the next fetch. */
export function forgetFetchTimes(sources: JwksSource[], nowMs: number): void {
  sources.forEach((source) => {
    clearState(`fetch_started_ms:${source}`);
    clearState(`fetch_failed_ms:${source}`);
    if (readState(`fetched_ms:${source}`) !== undefined) writeState(`fetched_ms:${source}`, String(nowMs - windowMs));
  });
}
