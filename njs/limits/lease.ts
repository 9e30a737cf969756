// Limits that several nodes keep together ($keygate_cluster on). A request passes at once where the store has leased
// requests to this node; else the store is asked, through the sidecar. auth/lease.ts has the terms.
//
// Beside its leases, a node keeps a bucket of its own for each budget: what the store last said, and what this node
// asks for at the moment. The bucket never has less in it than the store's, so whoever finds it empty is refused
// without a question. While the store is away, this node's part of the limit is taken from the same bucket.

import type { UnverifiedObject } from '../../auth/json.js';
import { nextLease, shareOf, type LeaseTerms } from '../../auth/lease.js';
import { maxBurst, retryAfterMs, type RateLimit } from '../../auth/rate_limit.js';
import { isAmongFirst } from '../keys/shared_state.js';
import { steadyMs } from '../keys/steady_clock.js';
import { askSidecarInTime } from '../sidecar.js';
import { pendingOf, raisePending, returnRequest, takeRequest, type Taken } from './bucket.js';

type Numbers = NgxSharedDict<number>;

/** A budget of the whole cluster. */
export interface Budget {
  zone: Numbers;
  name: string;
  limit: RateLimit;
  terms: LeaseTerms;
  /** REDIS_DOWN: whether nothing passes while the store is away, but for what is leased. */
  isClosed: boolean;
}

/** A request that the store must be asked about; it is taken from the node's own bucket already. */
export interface Ask extends Budget {
  /** How many requests to lease, this one included. */
  want: number;
}

// Filled anew for each request: engines take longer to make an object than to fill it.
const leased: Taken = { limit: undefined as never, isAdmitted: true, pendingMs: 0 };

/**
 * Takes a request where this node can say by itself.
 * @returns an object that the next call fills anew, or the question for the store; undefined where the store is away
 * and REDIS_DOWN=closed; throws SharedMemoryError when the zone is full
 */
export function takeHere(budget: Budget): Taken | Ask | undefined {
  const want = budget.terms.lifetimeMs > 0 ? spendLease(budget) : 1;
  if (want === 0) return leased;
  if (isStoreAway()) return takeShare(budget);
  const { zone, name, limit, terms, isClosed } = budget;
  const taken = takeRequest(zone, name, terms.limit);
  return taken.isAdmitted ? { zone, name, limit, terms, isClosed, want } : taken;
}

/**
 * Takes a request from the store.
 * @returns undefined where the limit can't be kept just now; throws SharedMemoryError when the zone is full
 */
export async function takeFromStore(r: NginxHTTPRequest, ask: Ask): Promise<Taken | undefined> {
  const { zone, name, want } = ask;
  const { limit } = ask.terms;
  const askedMs = steadyMs();
  const grant = await consult(r, ask, want);
  if (grant === undefined || grant.granted === 0) returnRequest(zone, name, limit);
  if (grant === undefined) return isStoreAway() ? keep(takeShare(ask)) : undefined;
  const { granted, pendingMs } = grant;
  raisePending(zone, name, { limit, pendingMs });
  if (granted === 0) return { limit, isAdmitted: false, pendingMs };
  keepLease(ask, granted, askedMs);
  return { limit, isAdmitted: true, pendingMs: Math.max(0, pendingMs - (granted - 1) * limit.intervalMs) };
}

// Another request fills the bucket's object anew, before who waits for this one has read it.
function keep(taken: Taken | undefined): Taken | undefined {
  return taken === undefined
    ? undefined
    : { limit: taken.limit, isAdmitted: taken.isAdmitted, pendingMs: taken.pendingMs };
}

/**
 * Asks whether a budget has a request, and takes none.
 * @returns undefined where the limit can't be kept just now, else milliseconds after which the budget has one
 */
export async function waitOfStore(r: NginxHTTPRequest, budget: Budget): Promise<number | undefined> {
  const known = waitHere(budget);
  if (known === undefined || known > 0 || isStoreAway()) return known;
  const grant = await consult(r, budget, 0);
  if (grant === undefined) return isStoreAway() ? waitHere(budget) : undefined;
  const { limit } = budget.terms;
  raisePending(budget.zone, budget.name, { limit, pendingMs: grant.pendingMs });
  return retryAfterMs(limit, grant.pendingMs);
}

/** @returns after how many milliseconds the budget has a request, as far as this node knows; undefined likewise */
export function waitHere({ zone, name, limit, terms, isClosed }: Budget): number | undefined {
  const isAway = isStoreAway();
  if (isAway && isClosed) return undefined;
  const kept = isAway ? shareOf(limit, nodesSeen()) : terms.limit;
  return retryAfterMs(kept, pendingOf(zone, name, kept));
}

// The store learns of these requests when it is asked the next time.
function takeShare({ zone, name, limit, isClosed }: Budget): Taken | undefined {
  if (isClosed) return undefined;
  const taken = takeRequest(zone, name, shareOf(limit, nodesSeen()));
  if (taken.isAdmitted) zone.incr(name + '=', 1, 0, keepUntoldMs);
  return taken;
}

const keepUntoldMs = 86400000;

/** How many requests passed without the store; they count as told from now on. */
function takeUntold({ zone, name }: Budget): number {
  const untold = Math.min(maxBurst, zone.get(name + '=') || 0);
  if (untold > 0) zone.incr(name + '=', -untold, 0, keepUntoldMs);
  return Math.max(0, untold);
}

// `NAME>` names the lease that is spent now: the time at which it ends, and its size in the fraction. Another number
// has what is left of it. A number below zero needs no correction: the next lease has a number of its own.
const sizeUnit = 1 / 2048;
const keptLeases = 4; // lifetimes

/** Takes a request of the lease; @returns 0, or how many requests to ask the store for. */
function spendLease({ zone, name, terms }: Budget): number {
  const lease = zone.get(name + '>');
  if (lease === undefined) return 1;
  const endMs = Math.floor(lease);
  const restMs = endMs - steadyMs();
  const size = Math.round((lease - endMs) / sizeUnit);
  const isOver = restMs <= 0 || restMs > terms.lifetimeMs; // or its clock began anew
  if (isOver) return zone.delete(name + '>') ? nextLease(size, 0, terms) : 1;
  const left = zone.incr(name + '>' + lease, -1, 0, keptLeases * terms.lifetimeMs);
  if (left < 0) return left === -1 ? nextLease(size, restMs, terms) : 1; // who comes first asks for the next lease
  const { limit } = terms;
  leased.limit = limit;
  leased.pendingMs = Math.max(0, pendingOf(zone, name, limit) - left * limit.intervalMs);
  return 0;
}

// The lease begins before the store gave it, so that it ends early rather than late.
function keepLease({ zone, name, terms, want }: Ask, granted: number, askedMs: number): void {
  const { lifetimeMs } = terms;
  const endMs = Math.floor(askedMs + lifetimeMs);
  if (lifetimeMs === 0 || endMs <= steadyMs()) return;
  const lease = endMs + granted * sizeUnit;
  const keepMs = keptLeases * lifetimeMs;
  zone.incr(name + '>' + lease, granted - 1, 0, keepMs);
  if (want > 1) zone.set(name + '>', lease, keepMs);
  else zone.add(name + '>', lease, keepMs); // another request may have leased more meanwhile
}

interface Grant {
  granted: number;
  pendingMs: number;
}

const askSpanMs = 200; // as long as a question takes at most
const mostAsking = 512; // each holds a JavaScript context

// Returns undefined where too many requests ask, where the answer is late, and where the store is away; then
// isStoreAway says so for a while. While an answer is late, the store may be there, and the others may spend all of the
// limit: so this node has no share of it.
async function consult(r: NginxHTTPRequest, budget: Budget, want: number): Promise<Grant | undefined> {
  if (!isAmongFirst('asking', { nowMs: Date.now(), spanMs: askSpanMs, most: mostAsking })) return undefined;
  const { intervalMs, burst } = budget.terms.limit;
  const { zone, name } = budget;
  const spent = takeUntold(budget);
  const answer = await askSidecarInTime(r, 'lease', { budget: name, intervalMs, burst, want, spent });
  const grant = typeof answer === 'object' ? readGrant(answer, want) : undefined;
  if (grant === undefined && spent > 0) zone.incr(name + '=', spent, 0, keepUntoldMs);
  if (answer === 'late') return noteSilence();
  shared().delete('silent');
  if (answer !== undefined) noteNodes(answer);
  const isLate = answer !== undefined && answer['late'] === true;
  if (grant === undefined && !isLate) noteAway();
  return grant;
}

function readGrant({ granted, pendingMs }: UnverifiedObject, want: number): Grant | undefined {
  const isGrant = typeof granted === 'number' && granted >= 0 && granted <= want && typeof pendingMs === 'number';
  return isGrant && pendingMs >= 0 ? { granted: granted as number, pendingMs } : undefined;
}

const awayMs = 250;
const silentMs = 1000;
const keepSilentMs = 3000;
const keepNodesMs = 86400000;
const shared = () => ngx.shared.keygate_limits;

function noteAway(): void {
  shared().set('away', steadyMs() + awayMs, 4 * awayMs);
}

// A sidecar that has answered no question for a second hangs, or has no time: this node is cut off.
function noteSilence(): undefined {
  const nowMs = steadyMs();
  if (shared().add('silent', nowMs, keepSilentMs)) return;
  const sinceMs = shared().get('silent');
  if (sinceMs !== undefined && nowMs - sinceMs >= silentMs) noteAway();
}

function isStoreAway(): boolean {
  const untilMs = shared().get('away');
  if (untilMs === undefined) return false;
  const restMs = untilMs - steadyMs();
  return restMs > 0 && restMs <= awayMs;
}

function nodesSeen(): number {
  return shared().get('nodes') || 1;
}

function noteNodes({ nodes }: UnverifiedObject): void {
  if (typeof nodes === 'number' && nodes >= 1 && nodes !== shared().get('nodes'))
    shared().set('nodes', Math.floor(nodes), keepNodesMs);
}
