// A client that reads how much of its limit is left: OpenAI's clients read durations, Anthropic's read times.

import { describe, expect, it } from 'vitest';
import { formatDuration, formatLimit, formatLimitHeaders } from '../../auth/limit_headers.js';

const nowMs = Date.UTC(2026, 10, 28, 23, 59, 59, 500);
const state = { limit: { intervalMs: 6000, burst: 1 }, pendingMs: 6000 };
const format = (target: string) => formatLimit(state, `= gateway.test gateway.test ${target}`, nowMs);

describe('formatDuration', () => {
  it.each([
    [-5, '0s'],
    [0, '0s'],
    [0.0001, '0s'], // a rounding error
    [0.2, '1ms'],
    [1, '1ms'],
    [1.0001, '1ms'],
    [11.5, '12ms'],
    [999, '999ms'],
    [999.5, '1s'],
    [1000, '1s'],
    [1500, '1.5s'],
    [1010, '1.01s'],
    [59999, '59.999s'],
    [59999.5, '1m0s'],
    [60000, '1m0s'],
    [90500, '1m30.5s'],
    [360000, '6m0s'],
    [3599999.5, '1h0m0s'],
    [3600000, '1h0m0s'],
    [3661001, '1h1m1.001s'],
    [86400000, '24h0m0s'],
    [366 * 86400000, '8784h0m0s'],
  ])('writes %s ms as %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });
});

describe('formatLimit', () => {
  it.each(['/v1/chat/completions', '/v1/models', '/', '/v1/messagesx', '/v1/message', '/xv1/messages'])(
    'speaks to a client of %s as OpenAI does',
    (path) => {
      expect(format(path)).toBe('openai 2 1 6s');
    },
  );

  it.each(['/v1/chat?x=/v1/messages', '/v1/chat?/v1/messages/', '/v1/chat?x=1?/v1/messages'])(
    'finds no path in the query of %s',
    (target) => {
      expect(format(target)).toMatch(/^openai /);
    },
  );

  it.each([
    '/v1/messages',
    '/v1/messages/',
    '/v1/messages?beta=true',
    '/v1/messages/count_tokens',
    '/v1/messages/batches?x',
    '/prefix/v1/messages',
    '/a/b/v1/messages?x=/v1/chat',
  ])('speaks to a client of %s as Anthropic does', (target) => {
    expect(format(target)).toBe('anthropic 2 1 2026-11-29T00:00:06Z'); // rounded up
  });

  it('finds no path in the Host that a client sent', () => {
    expect(formatLimit(state, '= /v1/messages gateway.test /v1/models', nowMs)).toMatch(/^openai /);
  });

  it('tells the present second where the bucket is full, and nothing was lost', () => {
    const full = { ...state, pendingMs: 0 };
    const target = '= a a /v1/messages';
    expect(formatLimit(full, target, Date.UTC(2026, 0, 1))).toBe('anthropic 2 2 2026-01-01T00:00:00Z');
    expect(formatLimit(full, '= a a /', nowMs)).toBe('openai 2 2 0s');
  });
});

describe('formatLimitHeaders', () => {
  it('uses the names of each dialect', () => {
    expect(formatLimitHeaders(format('/v1/chat/completions'))).toEqual([
      ['X-Ratelimit-Limit-Requests', '2'],
      ['X-Ratelimit-Remaining-Requests', '1'],
      ['X-Ratelimit-Reset-Requests', '6s'],
    ]);
    expect(formatLimitHeaders(format('/v1/messages'))).toEqual([
      ['Anthropic-Ratelimit-Requests-Limit', '2'],
      ['Anthropic-Ratelimit-Requests-Remaining', '1'],
      ['Anthropic-Ratelimit-Requests-Reset', '2026-11-29T00:00:06Z'],
    ]);
  });
});
