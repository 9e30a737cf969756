// An operator who writes a rate in the words of nginx, and a client that is told how much of it is left.

import { describe, expect, it } from 'vitest';
import {
  formatRate,
  makeLimit,
  isRateLimit,
  remainingRequests,
  retryAfterMs as waitOf,
  parseBurst,
  parseRate,
  type RateLimit,
} from '../../auth/rate_limit.js';

const day = 86400000;
const limitOf = (rate: string, burst = 0): RateLimit => ({ intervalMs: parseRate(rate) ?? NaN, burst });

describe('parseRate', () => {
  it.each([
    ['1/s', 1000],
    ['60/m', 1000],
    ['60r/m', 1000],
    ['7/s', 1000 / 7],
    ['2/h', 1800000],
    ['1/d', day],
    ['999999/s', 1000 / 999999],
  ])('reads %s as one request each %s ms', (text, intervalMs) => {
    expect(parseRate(text)).toBe(intervalMs);
  });

  it.each([
    '',
    'off',
    '60',
    '/m',
    '0/m',
    '01/m',
    '-1/m',
    '+1/m',
    '1.5/s',
    '1e3/s',
    '1000000/s',
    '60/w',
    '60/M',
    '60R/m',
    '60rr/m',
    '60/min',
    '60 /m',
    ' 60/m',
    '60/m ',
    '60/m\n',
    '60/m burst=3',
    '\u0666/m',
  ])('does not read %j', (text) => {
    expect(parseRate(text)).toBeUndefined();
  });
});

describe('formatRate', () => {
  it.each([
    ['10/m', '10/m'],
    ['60/m', '1/s'],
    ['7/s', '7/s'],
    ['7r/m', '7/m'],
    ['7/h', '7/h'],
    ['7/d', '7/d'],
    ['24/d', '1/h'],
    ['999999/d', '999999/d'],
    ['999999/s', '999999/s'],
  ])('writes %s as %s', (text, written) => {
    expect(formatRate(limitOf(text))).toBe(written);
  });

  it('writes what parseRate reads as the same rate', () => {
    for (let number = 1; number < 1000000; number = Math.ceil(number * 1.07))
      for (const unit of 'smhd') {
        const limit = limitOf(`${number}/${unit}`);
        expect(parseRate(formatRate(limit))).toBeCloseTo(limit.intervalMs, 6);
      }
  });
});

describe('parseBurst', () => {
  it.each([
    ['0', 0],
    ['20', 20],
    ['007', 7],
    ['1000000', 1000000],
  ])('reads %s', (text, burst) => {
    expect(parseBurst(text)).toBe(burst);
  });

  it.each(['', '-1', '+1', '1.5', '1e3', '0x10', '1000001', '00000001', ' 1', '1\n', 'nodelay', '\u0661'])(
    'does not read %j',
    (text) => {
      expect(parseBurst(text)).toBeUndefined();
    },
  );
});

describe('makeLimit', () => {
  it.each([
    ['1/d', 0, true],
    ['1/d', 365, true],
    ['1/d', 366, false],
    ['24/d', 24 * 366 - 1, true],
    ['24/d', 24 * 366, false],
    ['1/s', 1000000, true],
    ['1/m', 1000000, false],
  ])('%s with a burst of %s is full again within a year: %s', (rate, burst, isUsable) => {
    const limit = limitOf(rate, burst);
    expect(makeLimit(limit.intervalMs, burst)).toEqual(isUsable ? limit : undefined);
  });
});

describe('isRateLimit', () => {
  it('knows a limit that comes from elsewhere', () => {
    expect(isRateLimit({ intervalMs: 1000 / 7, burst: 0 })).toBe(true);
  });

  it.each([
    null,
    undefined,
    7,
    '60/m',
    [],
    {},
    { intervalMs: 1000 },
    { burst: 1 },
    { intervalMs: 0, burst: 1 },
    { intervalMs: -1, burst: 1 },
    { intervalMs: NaN, burst: 1 },
    { intervalMs: '1000', burst: 1 },
    { intervalMs: 1000, burst: -1 },
    { intervalMs: 1000, burst: null },
  ])('does not take %j for a limit', (value) => {
    expect(isRateLimit(value)).toBe(false);
  });
});

describe('remainingRequests and retryAfterMs', () => {
  const limit = limitOf('60/m', 2);

  it.each([
    ['full', 0, [3, 0]],
    ['after one request', 1000, [2, 0]],
    ['a moment after one request', 999.5, [2, 0]],
    ['after two requests and a half interval', 1500, [1, 0]],
    ['with one request left', 2000, [1, 0]],
    ['a moment before a request is due', 2000.5, [0, 0.5]],
    ['empty', 3000, [0, 1000]],
    ['with more taken than it held', 4000, [0, 2000]],
  ])('describe a bucket %s', (_, pendingMs, described) => {
    expect([remainingRequests(limit, pendingMs), waitOf(limit, pendingMs)]).toEqual(described);
  });

  // 1000/7 is no binary fraction: what is added up request by request is not a whole number of intervals.
  it.each(['7/s', '3/s', '11/m', '999999/d'])('loses no request of %s to rounding', (rate) => {
    const burst = 999;
    const { intervalMs } = limitOf(rate);
    const startMs = 123456789.25; // pendingMs is a difference of two larger numbers
    let fullAtMs = startMs;
    for (let taken = 0; taken <= burst + 1; taken++) {
      const limit = { intervalMs, burst };
      expect(remainingRequests(limit, fullAtMs - startMs)).toBe(burst + 1 - taken);
      expect(waitOf(limit, fullAtMs - startMs)).toBeCloseTo(taken > burst ? intervalMs : 0, 2);
      fullAtMs += intervalMs;
    }
  });
});
