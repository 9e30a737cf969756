// The counters, taken apart by their names (njs/counters.ts) and added up as the metrics need them.

import { decisionBounds, firstByteBounds, routes } from '../../monitoring/buckets.js';
import { counters, type CounterName } from '../counters.js';

/** Counts by name. */
export type Tally = { [name: string]: number };

/** Requests with one status class by one route and one method of authentication. */
export interface RequestCount {
  route: string;
  /** The first digit of the status. */
  digit: string;
  /** api_key, jwt, or '' for none. */
  method: string;
  count: number;
}

export interface KeyCount {
  requests: number;
  refusals: number;
  /** Unix seconds; undefined for a key that was not used yet. */
  lastUsed: number | undefined;
}

export interface Totals {
  startedSeconds: number;
  lost: number;
  generations: number;
  addressLimited: number;
  requests: RequestCount[];
  /** Counts of the buckets of `firstByteBounds`, by route. */
  firstByte: { [route: string]: number[] };
  /** Milliseconds until the first byte of all requests together, by route. */
  firstByteMs: Tally;
  /** By reason; '' for admissions. */
  decisions: Tally;
  /** Counts of the buckets of `decisionBounds`. */
  decisionBuckets: number[];
  decisionMs: number;
  /** Decisions by the cache that knew the verdict. */
  levels: Tally;
  /** By key id, and `other`. */
  keys: { [keyId: string]: KeyCount };
}

const mostCounters = 65536; // more than the zone has room for

/** Reads all counters. */
export function readTotals(): Totals {
  const totals = noTotals();
  const dictionary = counters();
  const items = dictionary === undefined ? [] : dictionary.items(mostCounters);
  for (let i = 0; i < items.length; i++) {
    const item = items[i] as [CounterName, number];
    addItem(totals, item[0], item[1]);
  }
  return totals;
}

function noTotals(): Totals {
  const firstByte = emptyObject<number[]>();
  routes.forEach((route) => (firstByte[route] = zeros(firstByteBounds.length + 1)));
  return {
    startedSeconds: 0,
    lost: 0,
    generations: 0,
    addressLimited: 0,
    requests: [],
    firstByte,
    firstByteMs: emptyObject(),
    decisions: emptyObject(),
    decisionBuckets: zeros(decisionBounds.length + 1),
    decisionMs: 0,
    levels: emptyObject(),
    keys: emptyObject(),
  };
}

/** @returns an object that has no names of its own, also in the old engine */
export function emptyObject<T>(): { [name: string]: T } {
  return Object.create(null) as { [name: string]: T };
}

function zeros(length: number): number[] {
  const list: number[] = [];
  while (list.length < length) list.push(0);
  return list;
}

function addItem(totals: Totals, name: CounterName, value: number): void {
  if (name.charAt(1) === '|') addLabelled(totals, name, value);
  else if (name === 'started') totals.startedSeconds = value;
  else if (name === 'lost') totals.lost = value;
  else if (name === 'generations') totals.generations = value;
  else if (name === 'decision_ms') totals.decisionMs = value;
}

function addLabelled(totals: Totals, name: string, value: number): void {
  const kind = name.charAt(0);
  const labels = name.slice(2);
  if (kind === 'r') addRequests(totals, labels.split('|'), value);
  else if (kind === 'd') addDecisions(totals, labels.split('|'), value);
  else if (kind === 'k') keyOf(totals, labels).requests = value;
  else if (kind === 'x') keyOf(totals, labels).refusals = value;
  else if (kind === 'u') keyOf(totals, labels).lastUsed = value;
}

function keyOf(totals: Totals, keyId: string): KeyCount {
  const known = totals.keys[keyId];
  if (known !== undefined) return known;
  const made: KeyCount = { requests: 0, refusals: 0, lastUsed: undefined };
  totals.keys[keyId] = made;
  return made;
}

// The labels are those of nginx/snippets/metrics.conf. Where routes.conf set no route, a request with a decision is one
// to a guarded location. Probes of health are not counted.
function routeOf(given: string, isUndecided: string): string {
  return given || (isUndecided === '' ? 'api' : 'other');
}

function addRequests(totals: Totals, labels: string[], value: number): void {
  const [given, status, method, isUndecided, isLimited, bucket] = labels as [string, string, ...string[]];
  const route = routeOf(given, isUndecided as string);
  const buckets = totals.firstByte[route];
  if (buckets === undefined) return;
  if (bucket === '') {
    totals.firstByteMs[route] = (totals.firstByteMs[route] || 0) + value; // the milliseconds of all buckets
    return;
  }
  totals.requests.push({ route, digit: status.charAt(0), method: method as string, count: value });
  buckets[Number(bucket)] = (buckets[Number(bucket)] || 0) + value;
  if (isLimited !== '') totals.addressLimited += value;
}

function addDecisions(totals: Totals, labels: string[], count: number): void {
  const [reason, level, bucket] = labels as [string, string, string];
  totals.decisions[reason] = (totals.decisions[reason] || 0) + count;
  totals.levels[level] = (totals.levels[level] || 0) + count;
  totals.decisionBuckets[Number(bucket)] = (totals.decisionBuckets[Number(bucket)] || 0) + count;
}
