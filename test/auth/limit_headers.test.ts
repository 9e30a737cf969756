// A client that reads how much of its limit is left: OpenAI's clients read durations, Anthropic's read times.

import { describe, expect, it } from 'vitest';
import { formatDuration, formatLimit, formatLimitHeaders, limitValues } from '../../auth/limit_headers.js';
import { limitState } from '../../auth/rate_limit.js';

const nowMs = Date.UTC(2026, 10, 28, 23, 59, 59, 500);
const state = limitState({ intervalMs: 6000, burst: 1 }, 6000);
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
      expect(format(path)).toEqual({ dialect: 'openai', limit: '2', remaining: '1', reset: '6s' });
    },
  );

  it.each(['/v1/chat?x=/v1/messages', '/v1/chat?/v1/messages/', '/v1/chat?x=1?/v1/messages'])(
    'finds no path in the query of %s',
    (target) => {
      expect(format(target).dialect).toBe('openai');
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
    expect(format(target)).toEqual({
      dialect: 'anthropic',
      limit: '2',
      remaining: '1',
      reset: '2026-11-29T00:00:06Z', // rounded up: before that second the bucket is not full
    });
  });

  it('finds no path in the Host that a client sent', () => {
    expect(formatLimit(state, '= /v1/messages gateway.test /v1/models', nowMs).dialect).toBe('openai');
  });

  it('tells the present second where the bucket is full, and nothing was lost', () => {
    const full = limitState({ intervalMs: 6000, burst: 1 }, 0);
    const target = '= a a /v1/messages';
    expect(formatLimit(full, target, Date.UTC(2026, 0, 1)).reset).toBe('2026-01-01T00:00:00Z');
    expect(formatLimit(full, '= a a /', nowMs)).toEqual({
      dialect: 'openai',
      limit: '2',
      remaining: '2',
      reset: '0s',
    });
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

  it('has a variable for each value', () => {
    const values = format('/v1/models');
    expect(limitValues.map(({ variable, read }) => [variable, read(values)])).toEqual([
      ['keygate_limit_dialect', 'openai'],
      ['keygate_limit', '2'],
      ['keygate_limit_remaining', '1'],
      ['keygate_limit_reset', '6s'],
    ]);
  });
});
