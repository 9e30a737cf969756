// What all workers share: one dictionary of strings. The generation names everything a verdict rests on
// (API keys, JWKs, deny list); it is read on every request and changes last.

import { randomText } from '../platform.js';

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
  | 'shared'
  | 'denied'
  | 'shared_denied'
  | `last_good:${string}`
  | 'hmac_secret'
  | 'entry_secret'
  | 'sources'
  | 'refreshed_ms'
  | 'steady'
  | `seen:${string}`
  | `content_fault:${string}`
  | `problems:${string}`
  | `fault:${string}`
  | `reported:${string}`
  | `fault_text:${string}`
  | 'verifier_ready'
  | 'verifier_probed_ms'
  | 'providers'
  | 'providers_mode'
  | 'providers_file'
  | `issuer:${string}`
  | `rules:${string}`
  | `provider:${string}`
  | `place:${string}`
  | `discovered:${string}`
  | `discovered_ms:${string}`
  | `fetched_ms:${string}`
  | `fetch_started_ms:${string}`
  | `fetch_failed_ms:${string}`
  | 'wanted'
  | `wanted:${string}`
  | `fetches:${string}`
  | 'reported'
  | 'report_failed_ms'
  | 'keys_taken_ms'
  | 'unusable_lines'
  | `taken_ms:${string}`;

/** @returns what is stored under the name, or undefined */
export function readState(name: StateName): string | undefined {
  if (found.dictionary === undefined) found.dictionary = ngx.shared.keygate_state;
  return found.dictionary.get(name) as string | undefined;
}

/** Stores a text; throws SharedMemoryError when the dictionary is full. */
export function writeState(name: StateName, text: string): void {
  ngx.shared.keygate_state.set(name, text);
}

/** By how much a stored time may lie in the future without the clock having been set back. */
export const clockToleranceMs = 1000;

/**
 * How long ago a time was stored. A time in the future was stored before the clock was set back. The present replaces
 * such a time, or it would count as recent until the clock has caught up.
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
  /** Kept, since finding the dictionary costs more than reading from it. */
  dictionary: NgxSharedDict<string> | undefined;
  hmacSecret: string | undefined;
}

// Found once per context.
const found: Found = { dictionary: undefined, hmacSecret: undefined };

/** @returns the generation, or undefined until the files were read for the first time */
export function readGeneration(): string | undefined {
  return readState('generation');
}

/**
 * The random HMAC key for the names of verdicts in shared memory; the first caller makes the key.
 * @returns 43 characters
 */
export function readHmacSecret(): string {
  if (found.hmacSecret !== undefined) return found.hmacSecret;
  found.hmacSecret = readState('hmac_secret');
  if (found.hmacSecret !== undefined) return found.hmacSecret;
  ngx.shared.keygate_state.add('hmac_secret', randomText(32));
  return readState('hmac_secret') as string;
}

/** How long a request waits at most. */
const maxWaitMs = 2000;
/** How often a waiting request reads. */
export const pollEveryMs = 50;
/** How often a waiting request reads at most. */
export const maxPolls = maxWaitMs / pollEveryMs;
const maxWaiting = 32; // requests of each worker for one set
const maxWaitingForAny = 128;

/**
 * Counts a request among those that wait for keys.
 * @param what they wait for: one provider's silence must not take the places of another's requests
 * @returns false when too many requests wait
 */
export function mayWait(what: string, nowMs: number): boolean {
  const span = { nowMs, spanMs: maxWaitMs };
  return (
    isAmongFirst(`waiting:${what}`, { ...span, most: maxWaiting }) &&
    isAmongFirst('waiting', { ...span, most: maxWaitingForAny })
  );
}

interface Span {
  nowMs: number;
  spanMs: number;
  /** How many requests of this worker may begin to wait in two spans. */
  most: number;
}

/**
 * Counts a request that begins to wait. The counts belong to spans of time and expire, so a request whose client goes
 * away need not be counted out.
 * @returns whether it is among the first of this span and the one before
 */
export function isAmongFirst(kind: string, { nowMs, spanMs, most }: Span): boolean {
  const budgets = ngx.shared.keygate_budgets;
  const span = Math.floor(nowMs / spanMs);
  const name = (number: number) => `${kind}:${ngx.worker_id}:${number}`;
  const earlier = (budgets.get(name(span - 1)) as number | undefined) || 0;
  return earlier + budgets.incr(name(span), 1, 0, 3 * spanMs) <= most;
}

/** Resolves after so many milliseconds. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
