// An nginx operator whose configuration uses every form of quoting.

import { describe, expect, it } from 'vitest';
import { flatten, parseDirectives, unquote } from '../../../nginx/configuration/directives.js';

const names = (text: string) => flatten(parseDirectives(text)).map(({ words }) => words.join(' '));

describe('parseDirectives', () => {
  it('reads blocks within blocks, with the lines of their words and braces', () => {
    const at = (line: number, end = line) => ({ file: '', line, end });
    expect(parseDirectives('a 1; b\n{ c { d 2\n3; } }\ne;')).toEqual([
      { words: ['a', '1'], block: undefined, ...at(1) },
      {
        words: ['b'],
        open: 2,
        ...at(1, 3),
        block: [
          { words: ['c'], open: 2, ...at(2, 3), block: [{ words: ['d', '2', '3'], block: undefined, ...at(2, 3) }] },
        ],
      },
      { words: ['e'], block: undefined, ...at(4) },
    ]);
  });

  it.each([
    ['# a b;\n c;', ['c']],
    ['a "b; c {";', ['a "b; c {"']],
    ["a 'b\\';c;';", ["a 'b\\';c;'"]],
    ['a ${b}; # }\n c;', ['a ${b}', 'c']],
    ['set $x a#b; c;', ['set $x a#b', 'c']],
    ['a\n  b\t c;', ['a b c']],
    ['a\\;b c;', ['a\\;b c']],
    ["a it's x}y; c;", ["a it's x}y", 'c']],
    ['a x"y; c";', ['a x"y', 'c"']],
    ['a {b; } c;', ['a', 'b', 'c']],
    ['a $b{c;} d;', ['a $b', 'c', 'd']],
    ['', []],
  ])('reads %j as nginx does', (text, directives) => {
    expect(names(text)).toEqual(directives);
  });

  it('reads a torn configuration as far as it goes', () => {
    expect(names('} a; } b { c;')).toEqual(['a', 'b', 'c']);
  });
});

describe('unquote', () => {
  it.each([
    ['"a b"', 'a b'],
    ["'a\\'b'", "a'b"],
    ['a"b"', 'a"b"'],
    ['"', ''],
    ['', ''],
  ])('reads %j as %j', (word, value) => {
    expect(unquote(word)).toBe(value);
  });
});
