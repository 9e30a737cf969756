// js_set of $keygate_counted: counts a request of the guarded server in the log phase. A bundle of its own, since its
// context is made inside the guarded request: the context ends with the request, but the old engine runs the whole
// bundle each time.

import { bucketOf, firstByteBounds } from '../../monitoring/buckets.js';
import { count } from '../counters.js';

/**
 * Counts one request, by what nginx/snippets/metrics.conf joins of it.
 * @returns always '', so that access_log writes nothing
 */
function countRequest(r: NginxHTTPRequest): string {
  const parts = String(r.variables.keygate_to_count).split('|');
  const [given, method, reason, status, limited, headerTime, requestTime] = parts as [string, ...string[]];
  const route = given || (method || reason ? 'api' : 'other');
  if (route === 'health') return '';
  const seconds = firstByteSeconds(headerTime as string, requestTime as string);
  const bucket = bucketOf(seconds, firstByteBounds);
  count(`r|${route}|${(status as string).charAt(0)}|${method}|${bucket}`, 1);
  if (seconds > 0) count(`first_byte_ms|${route}`, Math.round(seconds * 1000));
  if (limited === 'REJECTED') count('address_limited', 1);
  return '';
}

// $upstream_header_time has a time for each upstream that was tried; the last is that of the answer. Without an answer
// of an upstream, nginx's own answer is over with its first byte.
function firstByteSeconds(headerTime: string, requestTime: string): number {
  const last = headerTime.slice(headerTime.lastIndexOf(' ') + 1);
  return Number(last === '' || last === '-' ? requestTime : last) || 0;
}

export default { count: countRequest };
