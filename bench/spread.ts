// Several rounds of one measure as one figure: their median, and between which values they lay.

export interface Spread {
  median: number;
  low: number;
  high: number;
}

/** Sums rounds up; of an even number of rounds, the median is the mean of the two in the middle. */
export function spreadOf(values: number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] as number;
  const median = sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
  return { median, low: sorted[0] as number, high: sorted[sorted.length - 1] as number };
}

/** Formats the median and, in brackets, the lowest and the highest round. */
export function formatSpread({ median, low, high }: Spread, digits = 0): string {
  return `${median.toFixed(digits)} (${low.toFixed(digits)} to ${high.toFixed(digits)})`;
}
