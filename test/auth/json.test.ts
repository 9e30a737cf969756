// An attacker who sends JSON that is deep, doubled or of the wrong type.

import { expect, it } from 'vitest';
import { findDoubledMember, isJsonObject, maxDepth, ownMember, parseJsonObject } from '../../auth/json.js';

const nested = (depth: number) => `{"a":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`;

it('reads an object of the deepest nesting that is allowed, and no deeper', () => {
  expect(parseJsonObject(nested(maxDepth))).toHaveProperty('object');
  expect(parseJsonObject(nested(maxDepth + 1))).toEqual({ fault: 'nested too deep' });
  expect(parseJsonObject(`{"a":${'{"a":'.repeat(100000)}`)).toEqual({ fault: 'nested too deep' });
});

it('does not count brackets within strings, nor siblings', () => {
  expect(parseJsonObject(JSON.stringify({ a: '[{"\\'.repeat(40) }))).toHaveProperty('object');
  expect(parseJsonObject(JSON.stringify({ a: Array.from({ length: 100 }, () => [{}]) }))).toHaveProperty('object');
});

it.each(['', 'null', '[]', '1', '"a"', '{', '{"a":1,}', "{'a':1}"])('refuses %j', (text) => {
  expect(parseJsonObject(text)).toEqual({ fault: 'not an object' });
});

it('reads members of the object itself alone', () => {
  expect(ownMember({ a: 1 }, 'a')).toBe(1);
  expect(ownMember({}, 'constructor')).toBeUndefined();
  expect(isJsonObject([]) || isJsonObject(null)).toBe(false);
});

it.each([
  ['{"a":1,"a":2}', 'a'],
  ['{"x":[{"a":{},"b":1, "a" :2}]}', 'a'],
  ['{"a":1,"\\u0061":2}', 'a'],
  ['{"__proto__":1,"b":{},"__proto__":2}', '__proto__'],
  ['{"a\\"b":1,"a\\"b":{}}', 'a"b'],
])('finds the doubled member of %s', (text, name) => {
  expect(findDoubledMember(text)).toBe(name);
});

it.each(['{"a":{"a":1},"b":[{"a":1},{"a":2}]}', '{"a":"{\\"a\\":1,","b":"a"}', '{"toString":1}', '[]', '"a:a:"'])(
  'finds no doubled member in %s',
  (text) => {
    expect(findDoubledMember(text)).toBeUndefined();
  },
);
