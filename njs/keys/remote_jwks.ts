// When sets of JWKs are fetched: before a set expires, and when a token has an unknown kid. js_periodic fetches in one
// worker, never a request: a client that goes away would end its fetch. Requests poll shared memory (rule 3). Any
// failure leaves the last good set in use. Each set goes its own way: no fetch waits for another's.

import type { JwksRefresh } from '../../auth/decide.js';
import { isFaulty } from './source_faults.js';
import { fetchSet } from './fetch_jwks.js';
import { isNothingWanted, wantFetch, windowMs } from './fetch_state.js';
import { switchGeneration } from './generation.js';
import { isRemote, remoteSets, type RemoteSet } from './remote_sets.js';
import { ageMs, clearState, maxPolls, mayWait, pause, pollEveryMs, readState, writeState } from './shared_state.js';
import { readStoredJwks, type JwksSource } from './stored_jwks.js';

const listenMs = 1500; // with the timeouts of server.conf it stays below the tick's interval
const secondMs = 2500; // likewise: from then on a tick begins no second request of a fetch

/** js_periodic: fetches each set before it expires, and stops using a set that is too old. */
export async function refreshJwks(session: NginxPeriodicSession): Promise<void> {
  const variables = session.variables;
  const nowMs = Date.now();
  const ttlMs = Number(variables.keygate_jwks_ttl) * 1000;
  const sets = remoteSets(variables);
  // No time since the last fetch is required: with a slow issuer, fetches for unknown kids would keep this fetch away.
  const due = sets.filter(
    ({ source }) =>
      ageMs(`fetched_ms:${source}`, nowMs) >= Math.max(ttlMs - 20000, ttlMs / 2) && beginFetch(source, nowMs, 0),
  );
  await Promise.all(due.map((set) => fetchSet(set, { variables, untilMs: nowMs + secondMs, discoversAnew: true })));
  const maxStaleMs = Number(variables.keygate_jwks_max_stale) * 1000;
  sets.forEach((set) => {
    if (isFaulty(set.source)) retireWhenStale(set, maxStaleMs);
  });
}

/** js_periodic: polls for a while whether a request wants a set, and has such sets fetched meanwhile. */
export async function fetchWantedJwks(session: NginxPeriodicSession): Promise<void> {
  const variables = session.variables;
  const untilMs = Date.now() + listenMs;
  const fetches: Promise<void>[] = [];
  for (let i = 0; i < listenMs / pollEveryMs; i++) {
    wantedSets(variables).forEach((set) => {
      if (beginFetch(set.source, Date.now(), windowMs))
        fetches.push(fetchSet(set, { variables, untilMs, discoversAnew: false }));
    });
    await pause(pollEveryMs);
  }
  remoteSets(variables)
    .filter(isWanted)
    .forEach(({ source }) => wantFetch(source)); // those of the next tick
  await Promise.all(fetches);
}

function wantedSets(variables: NginxVariables): RemoteSet[] {
  return isNothingWanted() ? [] : remoteSets(variables).filter(isWanted);
}

function isWanted({ source }: RemoteSet): boolean {
  return readState(`wanted:${source}`) !== undefined;
}

/**
 * Makes a fetched set current for a token whose kid is unknown.
 * @returns `current` when the set was fetched in the last 10 s, `failed` when it could not be
 */
export async function refreshForUnknownKid(source: JwksSource): Promise<JwksRefresh> {
  if (!isRemote(source)) return 'none';
  const nowMs = Date.now();
  if (ageMs(`fetched_ms:${source}`, nowMs) < windowMs) return 'current';
  if (ageMs(`fetch_failed_ms:${source}`, nowMs) < windowMs) return 'failed';
  const before = readState(`fetches:${source}`);
  wantFetch(source);
  if (!mayWait(source, nowMs)) return 'failed';
  const outcome = await waitForFetch(source, before);
  return outcome;
}

// The wait counts fetches and polls instead of comparing times, since the clock may jump meanwhile.
async function waitForFetch(source: JwksSource, before: string | undefined): Promise<JwksRefresh> {
  for (let i = 0; i < maxPolls; i++) {
    const fetches = readState(`fetches:${source}`);
    if (fetches !== undefined && fetches !== before) return fetches.slice(-2) === 'ok' ? 'current' : 'failed';
    await pause(pollEveryMs);
  }
  return 'failed';
}

function beginFetch(source: JwksSource, nowMs: number, apartMs: number): boolean {
  if (ageMs(`fetch_started_ms:${source}`, nowMs) < apartMs) return false;
  writeState(`fetch_started_ms:${source}`, String(nowMs));
  clearState(`wanted:${source}`);
  return true;
}

function retireWhenStale({ source, label }: RemoteSet, maxStaleMs: number): void {
  if (ageMs(`fetched_ms:${source}`, Date.now()) < maxStaleMs || readStoredJwks(source).keys === undefined) return;
  ngx.log(ngx.ERR, `keygate: ${label}: the last good keys are older than JWKS_MAX_STALE and no longer used`);
  writeState(source, JSON.stringify({ configured: true }));
  switchGeneration();
}
