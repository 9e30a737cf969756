// How a client is told of its limit, in the words of the API that it speaks: OpenAI's x-ratelimit-*-requests with Go
// durations, or on /v1/messages Anthropic's anthropic-ratelimit-requests-* with RFC 3339 times.

import type { LimitState } from './rate_limit.js';

/** The values of a client's limit headers; nginx/snippets/limit_headers.conf makes the headers. */
export interface LimitValues {
  /** Which headers they go into. */
  dialect: 'openai' | 'anthropic';
  limit: string;
  remaining: string;
  /** When the bucket is full again. */
  reset: string;
}

/** A value that a verdict carries to the guarded location. */
export interface LimitValue {
  /** The header of the decision server's answer. */
  answerHeader: string;
  /** The nginx variable; documented in docs/settings.md. */
  variable: `keygate_${string}`;
  read: (values: LimitValues) => string;
}

export const limitValues: LimitValue[] = [
  { answerHeader: 'X-Keygate-Limit-Dialect', variable: 'keygate_limit_dialect', read: ({ dialect }) => dialect },
  { answerHeader: 'X-Keygate-Limit', variable: 'keygate_limit', read: ({ limit }) => limit },
  {
    answerHeader: 'X-Keygate-Limit-Remaining',
    variable: 'keygate_limit_remaining',
    read: ({ remaining }) => remaining,
  },
  { answerHeader: 'X-Keygate-Limit-Reset', variable: 'keygate_limit_reset', read: ({ reset }) => reset },
];

const headerNames = {
  openai: ['X-Ratelimit-Limit-Requests', 'X-Ratelimit-Remaining-Requests', 'X-Ratelimit-Reset-Requests'],
  anthropic: [
    'Anthropic-Ratelimit-Requests-Limit',
    'Anthropic-Ratelimit-Requests-Remaining',
    'Anthropic-Ratelimit-Requests-Reset',
  ],
};

/** The headers of an answer that JavaScript sends itself; else nginx/snippets/limit_headers.conf makes them. */
export function formatLimitHeaders({ dialect, limit, remaining, reset }: LimitValues): [string, string][] {
  const values = [limit, remaining, reset];
  return headerNames[dialect].map((name, i) => [name, values[i] as string]);
}

/**
 * Writes a limit's state for a client.
 * @param target see checkTarget: it ends with the target as the client sent it
 * @param nowMs Unix milliseconds
 */
export function formatLimit({ limit, remaining, resetMs }: LimitState, target: string, nowMs: number): LimitValues {
  const isAnthropic = speaksAnthropic(target);
  return {
    dialect: isAnthropic ? 'anthropic' : 'openai',
    limit: String(limit),
    remaining: String(remaining),
    reset: isAnthropic ? formatTime(nowMs + resetMs) : formatDuration(resetMs),
  };
}

// The path may stand below a prefix of the operator's; a query may follow it.
function speaksAnthropic(target: string): boolean {
  const path = target.slice(target.lastIndexOf(' ') + 1).split('?')[0] as string;
  return /\/v1\/messages(?:\/|$)/.test(path);
}

// Anthropic's times have whole seconds.
function formatTime(ms: number): string {
  return new Date(Math.ceil(ms / 1000) * 1000).toISOString().slice(0, 19) + 'Z';
}

/** @returns a duration as Go writes it, rounded up to milliseconds: `12ms`, `1.5s`, `6m0s`, `1h0m0s` */
export function formatDuration(durationMs: number): string {
  const ms = Math.ceil(durationMs - 1e-3);
  if (ms <= 0) return '0s';
  if (ms < 1000) return `${ms}ms`;
  const hours = Math.floor(ms / 3600000);
  const minutes = Math.floor(ms / 60000) % 60;
  const seconds = `${(ms % 60000) / 1000}s`;
  if (hours > 0) return `${hours}h${minutes}m${seconds}`;
  return minutes > 0 ? `${minutes}m${seconds}` : seconds;
}
