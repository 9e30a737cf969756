// An operator who takes only some tokens of an issuer, and somebody who has the others.

import { describe, expect, it } from 'vitest';
import { parseClaimPath } from '../../auth/claim_path.js';
import { matchesPieces, maxMatchedLength, parsePattern, passesTests, type ClaimTest } from '../../auth/claim_tests.js';

const claim = parseClaimPath('c');
const nested = parseClaimPath('a.b');
const oneOf = (...values: (string | number | boolean)[]): ClaimTest => ({ claim, kind: 'one_of', values });
const contains = (value: string | number | boolean): ClaimTest => ({ claim, kind: 'contains', value });
const matches = (pattern: string): ClaimTest => ({ claim, kind: 'matches', pieces: parsePattern(pattern) });
const has = (c: unknown) => ({ c });

describe('passesTests', () => {
  it.each([
    ['the value', has('abc'), oneOf('abc')],
    ['one of several', has('b'), oneOf('a', 'b')],
    ['a number', has(5), oneOf(5)],
    ['a boolean', has(false), oneOf(false)],
    ['an element', has(['a', 'b']), contains('b')],
    ['an element that is a number', has([1, 2]), contains(2)],
    ['a pattern', has('repo:org/x:ref:refs/heads/main'), matches('repo:org/*:ref:refs/heads/main')],
    ['a nested claim', { a: { b: 'x' } }, { ...oneOf('x'), claim: nested }],
  ])('passes %s', (_, claims, test) => {
    expect(passesTests(claims, [test])).toBe(true);
  });

  it.each([
    ['another value', has('abd'), oneOf('abc')],
    ['another case', has('ABC'), oneOf('abc')],
    ['a longer value', has('abc '), oneOf('abc')],
    ['a text for a number', has('5'), oneOf(5)],
    ['a number for a boolean', has(1), oneOf(true)],
    ['null for a text', has(null), oneOf('null')],
    ['an array for its element', has(['abc']), oneOf('abc')],
    ['an object', has({ abc: 1 }), oneOf('abc')],
    ['a missing claim', {}, oneOf('abc')],
    ['no value at all', has('abc'), oneOf()],
    ['a part of an element', has(['llm-users-guests']), contains('llm-users')],
    ['a text that contains the element', has('llm-users'), contains('llm-users')],
    ['an element of an element', has([['a']]), contains('a')],
    ['an object with the name', has({ 0: 'a', length: 1 }), contains('a')],
    ['a missing array', {}, contains('a')],
    ['a pattern over an array', has(['ab']), matches('a*')],
    ['a pattern over a number', has(11), matches('1*')],
    ['a nested claim at the top', { b: 'x' }, { ...oneOf('x'), claim: nested }],
    ['a kind that nobody wrote', has('x'), { claim, kind: 'any' } as never],
  ])('refuses %s', (_, claims, test) => {
    expect(passesTests(claims, [test])).toBe(false);
  });

  it('asks for every test', () => {
    expect(passesTests(has('ab'), [matches('a*'), matches('*b')])).toBe(true);
    expect(passesTests(has('ac'), [matches('a*'), matches('*b')])).toBe(false);
    expect(passesTests({}, [])).toBe(true);
  });
});

describe('matchesPieces', () => {
  const match = (text: string, pattern: string) => matchesPieces(text, parsePattern(pattern));

  it('agrees with a pattern that tries every way, on all short texts and patterns', () => {
    const words = (letters: string[], length: number): string[] =>
      length === 0 ? [''] : words(letters, length - 1).flatMap((word) => [word, ...letters.map((one) => one + word)]);
    const texts = [...new Set(words(['a', 'b'], 5))];
    for (const pattern of new Set(words(['a', 'b', '*'], 5))) {
      const every = new RegExp(`^${pattern.replaceAll('*', '.*')}$`);
      for (const text of texts)
        expect([pattern, text, match(text, pattern)]).toEqual([pattern, text, every.test(text)]);
    }
  });

  it.each([
    ['a.c', 'abc'],
    ['a?c', 'abc'],
    ['[a]*', 'abc'],
    ['(', 'a'],
    ['abc', 'abcd'],
    ['abc*', 'xabc'],
    ['*abc', 'abcx'],
    ['ab*ba', 'aba'],
  ])('takes every other character of %s for itself, and the whole of %s', (pattern, text) => {
    expect(match(text, pattern)).toBe(false);
  });

  it('matches no text beyond its bound', () => {
    expect(match('x'.repeat(maxMatchedLength), '*')).toBe(true);
    expect(match('x'.repeat(maxMatchedLength + 1), '*')).toBe(false);
  });
});
