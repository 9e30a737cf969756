// What an attacker puts into a path or an id, as the audit log has the value.

import { describe, expect, it } from 'vitest';
import { encodeId, encodePath, plainIdPattern, plainPathPattern, traceparentPatterns } from '../../auth/audit.js';

const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'));
const all = String.fromCharCode(...Array.from({ length: 256 }, (_, i) => i));

describe('encodePath', () => {
  it.each([
    ['/a?b', '/a'],
    ['/a#b?c', '/a'],
    ['', ''],
    ['?a', ''],
    ['/\xe2\x80\xa8\x7f\x00 ', '/%E2%80%A8%7F%00%20'],
    ['/%zz"\\', '/%zz"\\'],
    ['a'.repeat(256), 'a'.repeat(256)],
    ['a'.repeat(257), `${'a'.repeat(256)}#cut`],
    ['\xff'.repeat(86), `${'%FF'.repeat(85)}#cut`],
    [`${'a'.repeat(256)}?${'b'.repeat(9)}`, 'a'.repeat(256)],
  ])('of %j is %j', (target, path) => {
    expect(encodePath(bytes(target))).toBe(path);
  });

  it('leaves nothing but printable ASCII of any byte', () => {
    expect(encodePath(bytes(all.replace(/[?#]/g, '')))).toMatch(/^[!"$->@-~]*#cut$/);
  });

  it('agrees with the pattern of nginx about what is plain', () => {
    for (const one of all.replace(/[?#]/g, ''))
      expect(encodePath(bytes(one)) === one, one).toBe(new RegExp(`^${plainPathPattern}$`).test(one));
  });
});

describe('encodeId', () => {
  it('agrees with the pattern of nginx about what is plain', () => {
    for (const one of all) expect(encodeId(bytes(one)) === one, one).toBe(new RegExp(plainIdPattern).test(one));
  });

  it.each([
    ['a'.repeat(64), 'a'.repeat(64)],
    ['a'.repeat(65), `${'a'.repeat(64)}#cut`],
    ['a%41', 'a%2541'],
  ])('of %j is %j', (sent, id) => {
    expect(encodeId(bytes(sent))).toBe(id);
  });
});

describe('traceparentPatterns', () => {
  const { before, traceId, after } = traceparentPatterns;
  const rest = `-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;

  it.each([
    [`00${rest}`, true],
    [`01${rest}`, true],
    [`01${rest}-more`, true],
    [`01${rest}more`, false],
    [`00${rest}-more`, false],
    [`ff${rest}`, false],
    [`00${rest.replace(/a/g, '0')}`, false],
    [`00${rest.replace(/b/g, '0')}`, false],
    [` 00${rest}`, false],
  ])('find a trace id in %j: %s', (text, isFound) => {
    expect(new RegExp(`${before}(${traceId})${after}`).exec(text)?.[1]).toBe(isFound ? 'a'.repeat(32) : undefined);
  });
});
