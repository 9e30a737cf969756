// What all workers share: one dictionary of strings. The generation names everything a verdict rests on
// (API keys, JWKs, deny list); it is read on every request and changes last.

import { randomText, sha256 } from '../platform.js';

/** Names in the dictionary `keygate_state`. */
export type StateName =
  | 'generation'
  | 'content'
  | 'keys'
  | 'keys_due'
  | 'storing_ms'
  | 'minting'
  | 'local'
  | 'remote'
  | 'denied'
  | 'hmac_secret'
  | 'entry_secret'
  | 'sources'
  | 'remote_url'
  | 'refreshed_ms'
  | `seen:${string}`
  | `content_fault:${string}`
  | `fault:${string}`
  | `reported:${string}`
  | `fault_text:${string}`
  | 'verifier_ready'
  | 'verifier_probed_ms'
  | 'fetched_ms'
  | 'fetch_started_ms'
  | 'fetch_failed_ms'
  | 'wanted'
  | 'fetches'
  | 'reported'
  | 'report_failed_ms';

/** @returns what is stored under the name, or undefined */
export function readState(name: StateName): string | undefined {
  return ngx.shared.keygate_state.get(name) as string | undefined;
}

/** Stores a text; throws SharedMemoryError when the dictionary is full. */
export function writeState(name: StateName, text: string): void {
  ngx.shared.keygate_state.set(name, text);
}

/** By how much a stored time may lie in the future without the clock having been set back. */
export const clockToleranceMs = 1000;

/**
 * How long ago a time was stored. A time in the future was stored before the clock was set back: it counts as now, and
 * is stored so, or nothing would come of it until the clock has caught up.
 * @returns milliseconds; Infinity where none is stored
 */
export function ageMs(name: StateName, nowMs: number): number {
  const text = readState(name);
  if (text === undefined) return Infinity;
  const age = nowMs - Number(text);
  if (age < -clockToleranceMs) writeState(name, String(nowMs));
  return Math.max(0, age);
}

/** Forgets a name. */
export function clearState(name: StateName): void {
  ngx.shared.keygate_state.delete(name);
}

interface Found {
  /** To find it costs more than to read from it. */
  dictionary: NgxSharedDict<string> | undefined;
  hmacSecret: string | undefined;
}

// Found once per context.
const found: Found = { dictionary: undefined, hmacSecret: undefined };

/** @returns the generation, or undefined until the files were read for the first time */
export function readGeneration(): string | undefined {
  if (found.dictionary === undefined) found.dictionary = ngx.shared.keygate_state;
  return found.dictionary.get('generation') as string | undefined;
}

const parts: StateName[] = ['keys', 'minting', 'local', 'remote', 'denied'];

/**
 * Makes the sets that are stored now the ones that count. No generation ever comes back, not even with the same
 * content: a verdict reached while sets were changing may be filed under the one before, and must die with it.
 */
export function switchGeneration(): void {
  const texts = parts.map((part) => readState(part) || '');
  const content = sha256(texts.join('\n'));
  if (readGeneration() !== undefined && readState('content') === content) return;
  writeState('generation', randomText(16));
  writeState('content', content);
}

/**
 * The random key under which verdicts are filed in shared memory; made once, whoever comes first.
 * @returns 43 characters
 */
export function readHmacSecret(): string {
  if (found.hmacSecret !== undefined) return found.hmacSecret;
  found.hmacSecret = readState('hmac_secret');
  if (found.hmacSecret !== undefined) return found.hmacSecret;
  ngx.shared.keygate_state.add('hmac_secret', randomText(32));
  return readState('hmac_secret') as string;
}

/** How long anybody waits. */
const maxWaitMs = 2000;
/** How often a waiting request reads. */
export const pollEveryMs = 50;
/** How often at most. */
export const maxPolls = maxWaitMs / pollEveryMs;
const maxWaiting = 32; // of a worker

/**
 * Counts a request in among those that wait.
 * @returns false when too many do. Counted by spans of time: a request that its client gives up on leaves nothing to be
 * taken back.
 */
export function mayWait(nowMs: number): boolean {
  const budgets = ngx.shared.keygate_budgets;
  const span = Math.floor(nowMs / maxWaitMs);
  const name = (number: number) => `waiting:${ngx.worker_id}:${number}`;
  const earlier = (budgets.get(name(span - 1)) as number | undefined) || 0;
  return earlier + budgets.incr(name(span), 1, 0, 3 * maxWaitMs) <= maxWaiting;
}

/** Resolves after so many milliseconds. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
