// An operator who reads a number at a glance: the same words on the page and in the terminal.

import { describe, expect, it } from 'vitest';
import {
  formatAge,
  formatAgo,
  formatBytes,
  formatCount,
  formatIso,
  formatPercent,
  formatRate,
  formatUtc,
} from '../../monitoring/status_words.js';

describe('words', () => {
  it.each<[string, unknown[], unknown[]]>([
    [
      'ages',
      [-5, 0, 59.9, 60, 61, 3600, 3660, 3605, 86399, 86400, 90000, 31536000].map(formatAge),
      ['0 s', '0 s', '59 s', '1 min', '1 min 1 s', '1 h', '1 h 1 min', '1 h', '23 h 59 min', '1 d', '1 d 1 h', '365 d'],
    ],
    ['past times', [null, 0, 125, 90000].map(formatAgo), ['never', '0 s ago', '2 min ago', '1 d ago']],
    ['counts', [0, 999, 1000, 1234567, 12.9].map(formatCount), ['0', '999', '1,000', '1,234,567', '12']],
    ['rates', [0, 0.024, 1.5, 12.34, 99.96, 1234.5].map(formatRate), ['0', '0.02', '1.5', '12.3', '100', '1,235']],
    ['sizes', [0, 1023, 1024, 8388608].map(formatBytes), ['0 B', '1023 B', '1.0 KB', '8.0 MB']],
    ['times', [formatIso(1795836612.7), formatUtc(1795836612)], ['2026-11-28T03:30:12Z', '2026-11-28 03:30:12 UTC']],
  ])('write %s', (_, written, expected) => {
    expect(written).toEqual(expected);
  });

  it('never say 100 % before it is full, nor fail on an empty whole', () => {
    expect(formatPercent(999, 1000)).toBe('99 %');
    expect(formatPercent(1, 1000)).toBe('0.1 %');
    expect(formatPercent(1, 0)).toBe('0 %');
  });
});
