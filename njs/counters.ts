// The counters in shared memory, one dictionary of numbers. Their zone exists only where metrics are on
// (nginx/snippets/metrics.conf). The names are bounded: labels from closed sets, and ids of configured API keys.

/** Names of counters; njs/metrics/read_counters.ts takes them apart. */
export type CounterName =
  | 'lost'
  | 'started'
  | 'generations'
  | 'decision_ms'
  | `d|${string}`
  | `r|${string}`
  | `k|${string}`
  | `x|${string}`
  | `u|${string}`
  | `p|${string}`;

interface Found {
  isLooked: boolean;
  /** Kept, since finding the dictionary costs more than counting. */
  dictionary: NgxSharedDict<number> | undefined;
}

// Found once per context.
const found: Found = { isLooked: false, dictionary: undefined };

/** @returns the dictionary, or undefined where metrics are off */
export function counters(): NgxSharedDict<number> | undefined {
  if (!found.isLooked) {
    found.dictionary = ngx.shared.keygate_metrics;
    found.isLooked = true;
  }
  return found.dictionary;
}

/** Counts, where metrics are on; a full zone never fails a request. */
export function count(name: CounterName, by: number): void {
  const dictionary = counters();
  if (dictionary !== undefined) countIn(dictionary, name, by);
}

/** Counts in the dictionary that counters() returned; a full zone never fails a request. */
export function countIn(dictionary: NgxSharedDict<number>, name: CounterName, by: number): void {
  try {
    dictionary.incr(name, by);
  } catch (_) {
    countLost(dictionary);
  }
}

/** Counts a count that found no room. Its entry was made at the start (reserveCounters), so it needs none. */
export function countLost(dictionary: NgxSharedDict<number>): void {
  try {
    dictionary.incr('lost', 1);
  } catch (_) {
    // Nothing can be counted.
  }
}

/** Makes the entries that must be there when the zone is full. */
export function reserveCounters(nowMs: number): void {
  const dictionary = counters();
  if (dictionary === undefined) return;
  dictionary.add('started', nowMs / 1000);
  dictionary.add('lost', 0);
}
