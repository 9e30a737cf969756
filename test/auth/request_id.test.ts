// A client that sends a request id, harmless or not.

import { expect, it } from 'vitest';
import { isRequestId, requestIdPattern } from '../../auth/request_id.js';

it.each(['a', 'A-z.0_9', '0a1b2c3d-0000-4000-8000-000000000000', 'i'.repeat(128)])('keeps %j', (id) => {
  expect(isRequestId(id)).toBe(true);
});

it.each(['', 'i'.repeat(129), 'a b', 'a\n', '\na', 'a\tb', 'a"b', 'a,b', 'a/b', 'a=b', 'ä', 'a\u2028', 'a\0'])(
  'does not keep %j',
  (id) => {
    expect(isRequestId(id)).toBe(false);
  },
);

it('has a pattern that can stand between quotes in nginx.conf', () => {
  expect(requestIdPattern).toMatch(/^\^[^"'\\$;]*\$$/);
});
