import { describe, expect, it } from 'vitest';
import { flatten, parseDirectives } from '../../nginx/directives.js';

const names = (text: string) => flatten(parseDirectives(text)).map(({ words }) => words.join(' '));

describe('parseDirectives', () => {
  it('reads blocks within blocks', () => {
    expect(parseDirectives('a 1; b { c { d 2 3; } } e;')).toEqual([
      { words: ['a', '1'], block: undefined },
      { words: ['b'], block: [{ words: ['c'], block: [{ words: ['d', '2', '3'], block: undefined }] }] },
      { words: ['e'], block: undefined },
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
    ['', []],
  ])('reads %j as nginx does', (text, directives) => {
    expect(names(text)).toEqual(directives);
  });

  it('reads a torn configuration as far as it goes', () => {
    expect(names('} a; } b { c;')).toEqual(['a', 'b', 'c']);
  });
});
