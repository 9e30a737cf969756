// JWKS_URL: fetched before its time is up, and once for an unknown kid. Any failure leaves the last good set in
// use. No promise is shared: requests wait by looking at shared memory (rule 3).

import type { JwksRefresh } from '../auth/decide.js';
import { complain } from './complaint.js';
import { fetchSet } from './fetch_jwks.js';
import { clearState, readState, switchGeneration, writeState } from './state.js';
import { readStoredJwks } from './trusted_keys.js';

const windowMs = 10000; // one fetch in this time, for all workers together
const slackMs = 500; // by which a tick may come early
const maxWaitMs = 2000;
const lookEveryMs = 50;
const maxWaiting = 32;

/** js_periodic: fetches the set before it is due, and retires one that is too old. */
export async function refreshJwks(session: NginxPeriodicSession): Promise<void> {
  const variables = session.variables;
  const url = variables.keygate_jwks_url;
  if (!url) return;
  const nowMs = Date.now();
  const fetchedMs = Number(readState('fetched_ms') || 0);
  const ttlMs = Number(variables.keygate_jwks_ttl) * 1000;
  retireWhenStale(fetchedMs + Number(variables.keygate_jwks_max_stale) * 1000, nowMs);
  const isDue = nowMs >= fetchedMs + Math.max(ttlMs - 20000, ttlMs / 2);
  if (isDue && claimFetch(nowMs, windowMs - slackMs)) await fetchSet(url);
}

/** The target of the subrequest that fetches on behalf of an unknown kid; 204 says that it went well. */
export async function fetchJwks(r: NginxHTTPRequest): Promise<void> {
  const isFetched = await fetchSet(String(r.variables.keygate_jwks_url));
  r.return(isFetched ? 204 : 502);
}

/**
 * Makes the remote set current for a token whose kid is unknown.
 * @returns `current` when the set was fetched in the last 10 s, `failed` when it could not be
 */
export async function refreshForUnknownKid(r: NginxHTTPRequest): Promise<JwksRefresh> {
  if (!r.variables.keygate_jwks_url) return 'none';
  const nowMs = Date.now();
  if (nowMs - Number(readState('fetched_ms') || 0) < windowMs) return 'current';
  if (claimFetch(nowMs, windowMs)) {
    const reply = await r.subrequest('/_keygate_fetch_jwks', { method: 'GET' });
    return reply.status === 204 ? 'current' : 'failed';
  }
  const waiting = 'waiting:' + ngx.worker_id;
  const budgets = ngx.shared.keygate_budgets;
  const count = budgets.incr(waiting, 1, 0, 60000);
  const outcome: JwksRefresh = count > maxWaiting ? 'failed' : await waitForFetch(nowMs);
  budgets.incr(waiting, -1, 0, 60000);
  return outcome;
}

async function waitForFetch(sinceMs: number): Promise<JwksRefresh> {
  while (Date.now() - sinceMs < maxWaitMs) {
    const startedMs = Number(readState('fetch_started_ms') || 0);
    const fetchedMs = Number(readState('fetched_ms') || 0);
    const failedMs = Number(readState('fetch_failed_ms') || 0);
    if (fetchedMs >= startedMs) return 'current';
    if (failedMs >= startedMs) return 'failed';
    await new Promise<void>((resolve) => {
      setTimeout(resolve, lookEveryMs);
    });
  }
  return 'failed';
}

// Whoever adds the claim that follows the last start may fetch: one of all workers.
function claimFetch(nowMs: number, apartMs: number): boolean {
  const last = readState('fetch_started_ms') || '0';
  if (nowMs - Number(last) < apartMs) return false;
  if (!ngx.shared.keygate_state.add(`claim:${last}`, '')) return false;
  writeState('fetch_started_ms', String(nowMs));
  clearState(`claim:${last}`);
  return true;
}

function retireWhenStale(endsMs: number, nowMs: number): void {
  if (nowMs < endsMs || readStoredJwks('remote').keys === undefined) return;
  complain('remote', 'JWKS_URL: the last good keys are older than JWKS_MAX_STALE and no longer used', nowMs);
  writeState('remote', JSON.stringify({ configured: true }));
  switchGeneration();
}
