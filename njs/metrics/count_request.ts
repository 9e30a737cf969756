// js_set of $keygate_counted: counts a request of the guarded server in the log phase. A bundle of its own, since its
// context is made inside the guarded request: the context ends with the request, but the old engine runs the whole
// bundle each time. What nginx can join itself goes into the name; njs/metrics/read_counters.ts takes the name apart.

import { bucketOf, firstByteBounds } from '../../monitoring/buckets.js';
import { count, type CounterName } from '../counters.js';

/**
 * Counts one request: `r|LABELS|SECONDS`, as nginx/snippets/metrics.conf joins it. The labels with a bucket name a
 * count; the labels alone name the milliseconds of all buckets.
 * @returns always '', so that access_log writes nothing
 */
function countRequest(r: NginxHTTPRequest): string {
  const text = r.variables.keygate_to_count || '';
  const end = text.lastIndexOf('|') + 1;
  const labels = text.slice(0, end) as CounterName;
  const seconds = lastNumber(text.slice(end));
  count(`${labels as 'r|'}${seconds === 0 ? 0 : bucketOf(seconds, firstByteBounds)}`, 1);
  if (seconds !== 0) count(labels, Math.round(seconds * 1000));
  return '';
}

// $upstream_header_time has a time for each upstream that was tried (`0.001, 0.002`); the last is that of the answer.
function lastNumber(times: string): number {
  const only = Number(times);
  return only >= 0 ? only : Number(times.slice(times.lastIndexOf(' ') + 1)) || 0;
}

export default { count: countRequest };
