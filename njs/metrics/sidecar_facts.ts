// What the sidecar tells of itself, and when each key was last used, which the sidecar keeps for the time after a
// restart of nginx.

import { isJsonObject, type UnverifiedObject } from '../../auth/json.js';
import { bcryptBounds } from '../../monitoring/buckets.js';
import type { ClusterStatus } from '../../monitoring/status.js';
import { counters } from '../counters.js';
import { countedKeys } from '../keys/counted_keys.js';
import { forgetText, keepText, readText } from '../texts.js';

export interface SidecarFacts {
  up: boolean;
  queue: number;
  counts: number[];
  sum: number;
  minted: number;
  /** Null without a cluster. */
  cluster: ClusterStatus | null;
}

const unknown: SidecarFacts = { up: false, queue: 0, counts: [], sum: 0, minted: 0, cluster: null };

/** @returns what the sidecar told last */
export function readSidecarFacts(): SidecarFacts {
  const text = readText('sidecar');
  return text === undefined ? unknown : (JSON.parse(text) as SidecarFacts);
}

type Times = { [keyId: string]: number };

function readUnsent(): Times {
  return JSON.parse(readText('unsent') || '{}') as Times;
}

export interface MetricsQuestion {
  /** Last uses that the sidecar does not know yet: Unix seconds by key id. */
  lastUsed: Times;
  wantsLastUsed: boolean;
}

/** @returns the question for the sidecar */
export function makeQuestion(): MetricsQuestion {
  return { lastUsed: readUnsent(), wantsLastUsed: readText('restored') === undefined };
}

/** Whether there is something to tell the sidecar or to ask of it, beside its own facts. */
export function hasNews({ lastUsed, wantsLastUsed }: MetricsQuestion): boolean {
  return wantsLastUsed || Object.keys(lastUsed).length > 0;
}

/** Takes an answer of the sidecar up; undefined for none. */
export function takeAnswer(question: MetricsQuestion, answer: UnverifiedObject | undefined): void {
  const facts = answer === undefined ? undefined : readFacts(answer);
  keepText(
    'sidecar',
    JSON.stringify(facts === undefined ? Object.assign({}, readSidecarFacts(), { up: false }) : facts),
  );
  if (answer === undefined || facts === undefined) return;
  forgetSent(question.lastUsed);
  if (question.wantsLastUsed && isJsonObject(answer['lastUsed'])) restoreLastUsed(answer['lastUsed']);
}

function readFacts({ queue, counts, sum, minted, cluster }: UnverifiedObject): SidecarFacts | undefined {
  if (typeof queue !== 'number' || typeof sum !== 'number' || typeof minted !== 'number') return undefined;
  const isCounts = Array.isArray(counts) && counts.length === bcryptBounds.length + 1;
  if (!isCounts || !counts.every((one) => typeof one === 'number')) return undefined;
  return { up: true, queue, counts: counts as number[], sum, minted, cluster: readCluster(cluster) };
}

function readCluster(value: unknown): ClusterStatus | null {
  if (!isJsonObject(value)) return null;
  const { storeUp, stalenessSeconds, nodes, joined } = value;
  if (typeof stalenessSeconds !== 'number' || typeof nodes !== 'number') return null;
  return { storeUp: storeUp === true, stalenessSeconds, nodes, joined: joined === true };
}

function forgetSent(sent: Times): void {
  const left = readUnsent();
  Object.keys(sent).forEach((id) => {
    if (left[id] === sent[id]) delete left[id];
  });
  if (Object.keys(left).length === 0) forgetText('unsent');
  else keepText('unsent', JSON.stringify(left));
}

function restoreLastUsed(times: UnverifiedObject): void {
  const dictionary = counters();
  if (dictionary === undefined) return;
  countedKeys().forEach((id) => {
    const seconds = Object.prototype.hasOwnProperty.call(times, id) ? times[id] : undefined;
    if (typeof seconds === 'number' && seconds > (dictionary.get(`u|${id}`) || 0)) setTime(dictionary, id, seconds);
  });
  keepText('restored', '1');
}

function setTime(dictionary: NgxSharedDict<number>, keyId: string, seconds: number): void {
  try {
    dictionary.set(`u|${keyId}`, seconds);
  } catch (_) {
    // Without room the time is not known.
  }
}

/**
 * Notes which keys were used since the last call: those whose count has changed. So a request pays nothing for the time
 * of its key, which is exact to the interval of the calls.
 */
export function noteLastUsed(nowMs: number): void {
  const dictionary = counters();
  if (dictionary === undefined) return;
  const used: string[] = [];
  countedKeys().forEach((id) => {
    const requests = dictionary.get(`k|${id}`) || 0;
    if (requests === (dictionary.get(`p|${id}`) || 0)) return;
    try {
      dictionary.set(`p|${id}`, requests);
      used.push(id);
    } catch (_) {
      // Without room the key is looked at again.
    }
  });
  if (used.length === 0) return;
  const seconds = Math.floor(nowMs / 1000);
  const unsent = readUnsent();
  used.forEach((id) => {
    setTime(dictionary, id, seconds);
    unsent[id] = seconds;
  });
  keepText('unsent', JSON.stringify(unsent));
}
