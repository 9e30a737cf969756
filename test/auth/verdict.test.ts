// An issuer whose subjects and scopes hold any character.

import { expect, it } from 'vitest';
import { encodeSubject, holdsScopes, parseScope } from '../../auth/verdict.js';

it.each([
  ['alice@example.org', 'alice@example.org'],
  ['a b', 'a%20b'],
  ['100%', '100%25'],
  ['Zoë', 'Zo%C3%AB'],
  ['😀', '%F0%9F%98%80'],
  ['a"b<c>\\^`{|}~\'()*!#$&+,/:;=?[]', 'a"b<c>\\^`{|}~\'()*!#$&+,/:;=?[]'],
  ['ä"b', '%C3%A4"b'],
])('encodes %s as %s', (subject, encoded) => {
  expect(encodeSubject(subject)).toBe(encoded);
});

it('encodes every character so that no two subjects look alike', () => {
  const codes = Array.from({ length: 0x300 - 0x20 }, (_, i) => 0x20 + i).filter((code) => code < 0x7f || code > 0x9f);
  const subjects = codes.map((code) => `${String.fromCharCode(code)}ä`);
  const encoded = subjects.map((subject) => encodeSubject(subject) ?? '');
  expect(new Set(encoded).size).toBe(subjects.length);
  expect(encoded.every((text) => /^[\x21-\x7e]+$/.test(text))).toBe(true);
  expect(encoded.map((text) => decodeURIComponent(text))).toEqual(subjects);
});

it.each([
  'a\u0000',
  'a\r\nb',
  '\x7f',
  '\x9f',
  '\u2028',
  '\ud800',
  '\ufffd',
  '\udc00a',
  'x'.repeat(257),
  'ä'.repeat(43),
])('refuses %j', (subject) => {
  expect(encodeSubject(subject)).toBeUndefined();
});

it.each(['', 'x'.repeat(256), 'ä'.repeat(42), '😀'])('accepts %j', (subject) => {
  expect(encodeSubject(subject)).toBeDefined();
});

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
