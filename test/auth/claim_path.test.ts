// An issuer that nests its claims, or names them by URLs; and one whose claims have the names of JavaScript's own.

import { expect, it } from 'vitest';
import { parseClaimPath, readClaim } from '../../auth/claim_path.js';
import { parseJsonObject } from '../../auth/json.js';

function read(text: string, path: string): unknown {
  const parsed = parseJsonObject(text);
  if ('fault' in parsed) throw new Error(parsed.fault);
  return readClaim(parsed.object, parseClaimPath(path));
}

it.each([
  ['a claim', '{"email":"a@b"}', 'email', 'a@b'],
  ['a nested claim', '{"realm_access":{"roles":["r"]}}', 'realm_access.roles', ['r']],
  ['a claim named by a URL', '{"https://example.org/roles":["r"]}', 'https://example.org/roles', ['r']],
  ['a member of a claim with a dot in its name', '{"kubernetes.io":{"namespace":"n"}}', 'kubernetes.io.namespace', 'n'],
  [
    'a member with a dot in its name',
    '{"resource_access":{"my.app":{"roles":[]}}}',
    'resource_access.my.app.roles',
    [],
  ],
  ['the longest name before the path', '{"a":{"b":1},"a.b":2}', 'a.b', 2],
  ['an empty text', '{"sub":""}', 'sub', ''],
  ['null', '{"a":{"b":null}}', 'a.b', null],
  ['a claim that is called __proto__', '{"__proto__":{"b":1}}', '__proto__.b', 1],
  ['a path of five', '{"a":{"b":{"c":{"d":{"e":1}}}}}', 'a.b.c.d.e', 1],
])('reads %s', (_, text, path, value) => {
  expect(read(text, path)).toEqual(value);
});

it.each([
  ['a claim of nobody', '{"a":1}', 'b'],
  ['a member of a text', '{"a":"text"}', 'a.length'],
  ['a member of null', '{"a":null}', 'a.b'],
  ['a place in an array', '{"a":["x"]}', 'a.0'],
  ['the length of an array', '{"a":["x"]}', 'a.length'],
  ['a member of the prototype', '{"a":{}}', 'constructor'],
  ['a member of a nested prototype', '{"a":{}}', 'a.constructor.name'],
  ['a nested __proto__', '{"a":{}}', 'a.__proto__'],
  ['what the longest name does not lead to', '{"a.b":{},"a":{"b":{"c":1}}}', 'a.b.c'],
  ['a path that ends too early', '{"a":{"b":{"c":1}}}', 'a.b.c.d'],
])('finds nothing for %s', (_, text, path) => {
  expect(read(text, path)).toBeUndefined();
});
