// An admin who denies a token or a signing key.

import { expect, it } from 'vitest';
import { parseDenyList } from '../../auth/deny_list.js';

it('reads jti and kid lines and reports the others by number', () => {
  const list = parseDenyList('\ufeff# comment\r\njti:a b\r\nkid:k:1\njti:\nnonsense\n');
  expect(list.jtis).toEqual(Object.assign(Object.create(null) as object, { 'a b': true }));
  expect(list.kids).toEqual(Object.assign(Object.create(null) as object, { 'k:1': true }));
  expect(list.problems.map((problem) => problem.line)).toEqual([4, 5]);
});

it('does not deny names of Object.prototype by itself', () => {
  expect(parseDenyList('').jtis['constructor']).toBeUndefined();
});
