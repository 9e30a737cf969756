import { expect, it } from 'vitest';
import { holdsScopes, parseScope } from '../../auth/verdict.js';

it('reads scopes separated by spaces', () => {
  expect(parseScope('a  b:c ')).toEqual(['a', 'b:c']);
  expect(parseScope('')).toEqual([]);
});

it.each(['a"b', 'a\\b', 'a\tb', 'ä', 'a\nb'])('refuses %j', (text) => {
  expect(parseScope(text)).toBeUndefined();
});

it('holds required scopes only when it has them all', () => {
  expect(holdsScopes(['a', 'b'], ['b', 'a'])).toBe(true);
  expect(holdsScopes(['a'], ['a', 'b'])).toBe(false);
  expect(holdsScopes([], ['a'])).toBe(false);
  expect(holdsScopes([], [])).toBe(true);
});
