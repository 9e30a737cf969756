// An issuer whose subjects and scopes hold any character.

import { expect, it } from 'vitest';
import { encodeLongSubject, encodeSubject, holdsScopes, isScopeToken, parseScope } from '../../auth/verdict.js';
import { nodePlatform } from '../../node/crypto.js';

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

const encodeLong = (subject: string) => encodeLongSubject(subject, nodePlatform) ?? '';

it.each(['alice', 'Zoë 100%', 'x'.repeat(256), 'ä'.repeat(42)])(
  'leaves a subject that is short as it is: %s',
  (subject) => {
    expect(encodeLong(subject)).toBe(encodeSubject(subject));
  },
);

it.each(['x', 'ä', '€', '😀', '%'])('shortens a subject of many %s to whole characters and a digest', (character) => {
  for (let shift = 0; shift < 12; shift++) {
    const subject = 'a'.repeat(shift) + character.repeat(300);
    const encoded = encodeLong(subject);
    expect(encoded).toMatch(/^[\x21-\x7e]{240,256}$/);
    const [start = '', digest] = decodeURIComponent(encoded).split('\ufffd');
    expect(subject.startsWith(start)).toBe(true);
    expect(digest).toBe(nodePlatform.sha256(subject));
  }
});

it('gives a long subject a short form that no other subject has', () => {
  const [one, other] = ['x'.repeat(300), 'x'.repeat(299) + 'y'].map(encodeLong);
  expect(one).not.toBe(other);
  expect(encodeSubject(decodeURIComponent(one ?? ''))).toBeUndefined();
  expect(encodeSubject(one ?? '')).not.toBe(one);
});

it.each(['x'.repeat(2049), 'x'.repeat(300) + '\n', 'x'.repeat(300) + '\ud800', 'x'.repeat(300) + '\ufffd'])(
  'refuses a long subject that is too long, or that none may be: %#',
  (subject) => {
    expect(encodeLongSubject(subject, nodePlatform)).toBeUndefined();
    expect(encodeLong('x'.repeat(2048))).toHaveLength(256);
  },
);

it('tells one scope from several and from none', () => {
  expect(['a', 'a:b/c', 'a b', '', 'a"', 'ä'].map(isScopeToken)).toEqual([true, true, false, false, false, false]);
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
