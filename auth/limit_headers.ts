// How a client is told of its limit, in the words of the API that it speaks: OpenAI's x-ratelimit-*-requests with Go
// durations, or on /v1/messages Anthropic's anthropic-ratelimit-requests-* with RFC 3339 times.

import { remainingRequests, type RateLimit } from './rate_limit.js';

/** A bucket at the moment of a request. */
export interface LimitState {
  limit: RateLimit;
  /** Until the bucket is full again. */
  pendingMs: number;
}

/**
 * Writes a limit's state for a client. nginx takes the text apart (nginx/snippets/asking.conf).
 * @param target see checkTarget: it ends with the target as the client sent it
 * @param nowMs Unix milliseconds
 * @returns four words: `openai` or `anthropic`, the limit, what remains of it, and when the bucket is full again
 */
export function formatLimit({ limit, pendingMs }: LimitState, target: string, nowMs: number): string {
  const isAnthropic = speaksAnthropic(target);
  const reset = isAnthropic ? formatTime(nowMs + pendingMs) : formatDuration(pendingMs);
  const counts = limit.burst + 1 + ' ' + remainingRequests(limit, pendingMs);
  return (isAnthropic ? 'anthropic ' : 'openai ') + counts + ' ' + reset;
}

const messages = '/v1/messages';

// The path may stand below a prefix of the operator's; a query may follow it. QuickJS takes long for a pattern.
function speaksAnthropic(target: string): boolean {
  const start = target.lastIndexOf(' ') + 1; // the Host before it is the client's own
  const at = target.indexOf(messages, start);
  if (at < 0) return false;
  const query = target.indexOf('?', start);
  const next = target.charAt(at + messages.length);
  return (query < 0 || at < query) && (next === '' || next === '?' || next === '/');
}

// Anthropic's times have whole seconds.
function formatTime(ms: number): string {
  return new Date(Math.ceil(ms / 1000) * 1000).toISOString().slice(0, 19) + 'Z';
}

/** @returns a duration as Go writes it, rounded up to milliseconds: `12ms`, `1.5s`, `6m0s`, `1h0m0s` */
export function formatDuration(durationMs: number): string {
  const ms = Math.ceil(durationMs - 1e-3);
  if (ms < 1000) return ms <= 0 ? '0s' : ms + 'ms';
  const seconds = (ms % 60000) / 1000 + 's';
  if (ms < 60000) return seconds;
  const hours = Math.floor(ms / 3600000);
  const minutes = Math.floor(ms / 60000) % 60;
  return (hours > 0 ? hours + 'h' : '') + minutes + 'm' + seconds;
}

/** The nginx variables of a limit's four words, without the dollar sign; documented in docs/settings.md. */
export const limitVariables = [
  'keygate_limit_dialect',
  'keygate_limit',
  'keygate_limit_remaining',
  'keygate_limit_reset',
] as const;

/**
 * The headers of an answer that JavaScript sends itself; else nginx/snippets/limit_headers.conf makes them.
 * @param text as formatLimit writes it
 */
export function formatLimitHeaders(text: string): [string, string][] {
  const [dialect, ...values] = text.split(' ');
  const place = dialect === 'anthropic' ? anthropicName : openaiName;
  return ['Limit', 'Remaining', 'Reset'].map((what, i) => [place(what), values[i] || '']);
}

function anthropicName(what: string): string {
  return `Anthropic-Ratelimit-Requests-${what}`;
}

function openaiName(what: string): string {
  return `X-Ratelimit-${what}-Requests`;
}
