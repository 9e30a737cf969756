import { expect, it } from 'vitest';
import { formatSubject, isSubject } from '../../auth/subject.js';

it.each([
  ['alice@example.org', 'alice@example.org'],
  ['a b', 'a%20b'],
  ['100%', '100%25'],
  ['Zoë', 'Zo%C3%AB'],
  ['😀', '%F0%9F%98%80'],
  ['a"b<c>\\^`{|}~\'()*!#$&+,/:;=?[]', 'a"b<c>\\^`{|}~\'()*!#$&+,/:;=?[]'],
  ['ä"b', '%C3%A4"b'],
])('encodes %s as %s', (subject, encoded) => {
  expect(formatSubject(subject)).toBe(encoded);
});

it('encodes every character so that no two subjects look alike', () => {
  const subjects = Array.from({ length: 0x300 - 0x20 }, (_, i) => `${String.fromCharCode(0x20 + i)}ä`);
  const encoded = subjects.map(formatSubject);
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
  expect(isSubject(subject)).toBe(false);
});

it.each(['', 'x'.repeat(256), 'ä'.repeat(42), '😀'])('accepts %j', (subject) => {
  expect(isSubject(subject)).toBe(true);
});
