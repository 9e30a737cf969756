// An admin whose file was damaged, or saved by an editor that writes another encoding.

import { describe, expect, it } from 'vitest';
import { readFileText, splitLines } from '../../auth/file_text.js';
import { nodePlatform } from '../../node/crypto.js';

const read = (...parts: (string | number[])[]) =>
  readFileText(Buffer.concat(parts.map((part) => Buffer.from(part as string))), nodePlatform);

describe('readFileText', () => {
  it('gives the text of UTF-8, without its byte order mark', () => {
    expect(read('jti:schön\n')).toEqual({ text: 'jti:schön\n' });
    expect(read([0xef, 0xbb, 0xbf], 'jti:a\n')).toEqual({ text: 'jti:a\n' });
    expect(read()).toEqual({ text: '' });
  });

  it.each([
    ['UTF-16, little-endian', [[0xff, 0xfe], [...Buffer.from('jti:a\n', 'utf16le')]], 'UTF-16'],
    [
      'UTF-16, big-endian',
      [
        [0xfe, 0xff],
        [0, 0x6a],
      ],
      'UTF-16',
    ],
    [
      'UTF-16 behind a text in UTF-8, as `>>` of PowerShell leaves it',
      ['jti:a\n', [...Buffer.from('jti:b', 'utf16le')]],
      'NUL',
    ],
    ['NUL bytes in the place of a line', ['jti:a\n', new Array<number>(14).fill(0)], 'NUL'],
    ['a byte that is not UTF-8', ['jti:', [0xf6], '\n'], 'not UTF-8'],
    ['a text that was cut within a character', ['jti:sch', [0xc3]], 'not UTF-8'],
  ])('refuses %s', (_, parts, why) => {
    expect(read(...(parts as string[]))).toEqual({ fault: expect.stringContaining(why) as string });
  });
});

describe('splitLines', () => {
  it.each(['\r', '\n', '\r\n'])('splits at %j', (end) => {
    expect(splitLines(['a', 'b', '', 'c'].join(end))).toEqual(['a', 'b', '', 'c']);
  });
});
