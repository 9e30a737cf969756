// JWKS_URL: fetched before its time is up, and when a request asks for a kid that is unknown. One worker's clock
// fetches, never a request: a client that goes away would end its fetch. Requests wait by looking at shared memory
// (rule 3), and any failure leaves the last good set in use.

import type { JwksRefresh } from '../../auth/decide.js';
import { isFaulty } from './source_faults.js';
import { fetchSet } from './fetch_jwks.js';
import {
  readState,
  switchGeneration,
  writeState,
  type StateName,
  pollEveryMs,
  maxWaitMs,
  mayWait,
  pause,
} from './shared_state.js';
import { readStoredJwks } from './trusted_keys.js';

const windowMs = 10000; // one fetch for unknown kids in this time
const listenMs = 1500; // with the timeouts of server.conf it stays below the tick's interval

/** js_periodic: fetches the set before it is due, and retires one that is too old. */
export async function refreshJwks(session: NginxPeriodicSession): Promise<void> {
  const variables = session.variables;
  const url = variables.keygate_jwks_url;
  if (!url) return;
  const nowMs = Date.now();
  const fetchedMs = readTime('fetched_ms');
  const ttlMs = Number(variables.keygate_jwks_ttl) * 1000;
  const isDue = nowMs >= fetchedMs + Math.max(ttlMs - 20000, ttlMs / 2);
  // Whatever requests may want: with a slow issuer, their short fetches would keep this one from its turn.
  if (isDue && beginFetch(nowMs, 0)) await fetchSet(url);
  if (isFaulty('remote')) retireWhenStale(fetchedMs + Number(variables.keygate_jwks_max_stale) * 1000);
}

/** js_periodic: listens for a while whether a request wants the set fetched, and fetches it then. */
export async function fetchWantedJwks(session: NginxPeriodicSession): Promise<void> {
  const url = session.variables.keygate_jwks_url;
  if (!url) return;
  const endMs = Date.now() + listenMs;
  while (Date.now() < endMs) {
    const isWanted = readTime('wanted_ms') > readTime('fetch_started_ms');
    if (isWanted && beginFetch(Date.now(), windowMs)) {
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
  if (nowMs - readTime('fetched_ms') < windowMs) return 'current';
  if (nowMs - readTime('fetch_failed_ms') < windowMs) return 'failed';
  writeState('wanted_ms', String(nowMs));
  if (!mayWait(nowMs)) return 'failed';
  const outcome = await waitForFetch(nowMs);
  return outcome;
}

async function waitForFetch(sinceMs: number): Promise<JwksRefresh> {
  while (Date.now() - sinceMs < maxWaitMs) {
    if (readTime('fetched_ms') >= sinceMs) return 'current';
    if (readTime('fetch_failed_ms') >= sinceMs) return 'failed';
    await pause(pollEveryMs);
  }
  return 'failed';
}

function beginFetch(nowMs: number, apartMs: number): boolean {
  if (nowMs - readTime('fetch_started_ms') < apartMs) return false;
  writeState('fetch_started_ms', String(nowMs));
  return true;
}

function retireWhenStale(endsMs: number): void {
  if (Date.now() < endsMs || readStoredJwks('remote').keys === undefined) return;
  ngx.log(ngx.ERR, 'keygate: JWKS_URL: the last good keys are older than JWKS_MAX_STALE and no longer used');
  writeState('remote', JSON.stringify({ configured: true }));
  switchGeneration();
}

// Unix milliseconds; 0 for never.
function readTime(name: StateName): number {
  return Number(readState(name) || 0);
}
