// When JWKS_URL is fetched: before the set expires, and when a token has an unknown kid. js_periodic fetches in one
// worker, never a request: a client that goes away would end its fetch. Requests poll shared memory (rule 3). Any
// failure leaves the last good set in use.

import type { JwksRefresh } from '../../auth/decide.js';
import { isFaulty } from './source_faults.js';
import { fetchSet } from './fetch_jwks.js';
import {
  ageMs,
  clearState,
  maxPolls,
  mayWait,
  pause,
  pollEveryMs,
  readState,
  switchGeneration,
  writeState,
} from './shared_state.js';
import { readStoredJwks } from './trusted_keys.js';

const windowMs = 10000; // at most one fetch for unknown kids in this time
const listenMs = 1500; // with the timeouts of server.conf it stays below the tick's interval

/** js_periodic: fetches the set before it expires, and stops using a set that is too old. */
export async function refreshJwks(session: NginxPeriodicSession): Promise<void> {
  const variables = session.variables;
  const url = variables.keygate_jwks_url;
  if (!url) return;
  const nowMs = Date.now();
  const ttlMs = Number(variables.keygate_jwks_ttl) * 1000;
  const isDue = ageMs('fetched_ms', nowMs) >= Math.max(ttlMs - 20000, ttlMs / 2);
  // No time since the last fetch is required: with a slow issuer, fetches for unknown kids would keep this fetch away.
  if (isDue && beginFetch(nowMs, 0)) await fetchSet(url);
  if (isFaulty('remote')) retireWhenStale(Number(variables.keygate_jwks_max_stale) * 1000);
}

/** js_periodic: polls for a while whether a request wants the set, and then fetches the set. */
export async function fetchWantedJwks(session: NginxPeriodicSession): Promise<void> {
  const url = session.variables.keygate_jwks_url;
  if (!url) return;
  for (let i = 0; i < listenMs / pollEveryMs; i++) {
    if (readState('wanted') !== undefined && beginFetch(Date.now(), windowMs)) {
      await fetchSet(url);
      return;
    }
    await pause(pollEveryMs);
  }
}

/**
 * Makes the remote set current for a token whose kid is unknown.
 * @returns `current` when the set was fetched in the last 10 s, `failed` when it could not be
 */
export async function refreshForUnknownKid(r: NginxHTTPRequest): Promise<JwksRefresh> {
  if (!r.variables.keygate_jwks_url) return 'none';
  const nowMs = Date.now();
  if (ageMs('fetched_ms', nowMs) < windowMs) return 'current';
  if (ageMs('fetch_failed_ms', nowMs) < windowMs) return 'failed';
  const before = readState('fetches');
  writeState('wanted', '1');
  if (!mayWait(nowMs)) return 'failed';
  const outcome = await waitForFetch(before);
  return outcome;
}

// The wait counts fetches and polls instead of comparing times, since the clock may jump meanwhile.
async function waitForFetch(before: string | undefined): Promise<JwksRefresh> {
  for (let i = 0; i < maxPolls; i++) {
    const fetches = readState('fetches');
    if (fetches !== undefined && fetches !== before) return fetches.slice(-2) === 'ok' ? 'current' : 'failed';
    await pause(pollEveryMs);
  }
  return 'failed';
}

function beginFetch(nowMs: number, apartMs: number): boolean {
  if (ageMs('fetch_started_ms', nowMs) < apartMs) return false;
  writeState('fetch_started_ms', String(nowMs));
  clearState('wanted');
  return true;
}

/** Resets the stored times after the clock was set back, or they would delay the next fetch. */
export function forgetFetchTimes(nowMs: number): void {
  clearState('fetch_started_ms');
  clearState('fetch_failed_ms');
  if (readState('fetched_ms') !== undefined) writeState('fetched_ms', String(nowMs - windowMs));
}

function retireWhenStale(maxStaleMs: number): void {
  if (ageMs('fetched_ms', Date.now()) < maxStaleMs || readStoredJwks('remote').keys === undefined) return;
  ngx.log(ngx.ERR, 'keygate: JWKS_URL: the last good keys are older than JWKS_MAX_STALE and no longer used');
  writeState('remote', JSON.stringify({ configured: true }));
  switchGeneration();
}
