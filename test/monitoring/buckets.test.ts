// Whoever reads a quantile from a histogram: a value on a bound belongs below it (`le`).

import { describe, expect, it } from 'vitest';
import { bucketOf } from '../../monitoring/buckets.js';

describe('a bucket', () => {
  it.each([
    [0, 0],
    [0.1, 0],
    [0.100001, 1],
    [1, 1],
    [2, 2],
  ])('of %d is number %d', (value, place) => {
    expect(bucketOf(value, [0.1, 1])).toBe(place);
  });
});
