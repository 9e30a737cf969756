// An admin who denies a token or a signing key, by hand and by the command.

import { describe, expect, it } from 'vitest';
import { addDenial, parseDenyList, type DenyList } from '../../auth/deny_list.js';

const parse = (text: string) => parseDenyList(text) as DenyList;
const names = (list: { [name: string]: true }) => Object.keys(list);

describe('parseDenyList', () => {
  it('reads jti and kid lines and reports the others by number', () => {
    const list = parse('# comment\r\njti:a b\r\nkid:k:1\njti:\nnonsense\n');
    expect([names(list.jtis), names(list.kids)]).toEqual([['a b'], ['k:1']]);
    expect(list.problems.map((problem) => problem.line)).toEqual([4, 5]);
  });

  it.each(['\r', '\n', '\r\n'])('reads lines that end with %j, the last line without an end too', (end) => {
    expect(names(parse(['jti:a', 'jti:b'].join(end)).jtis)).toEqual(['a', 'b']);
  });

  it('reads a line of a megabyte', () => {
    const long = 'x'.repeat(1048576);
    expect(names(parse(`jti:${long}\njti:b\n`).jtis)).toEqual([long, 'b']);
  });

  it('does not deny names of Object.prototype by itself', () => {
    expect(parse('').jtis['constructor']).toBeUndefined();
  });

  it('refuses a text that has lost lines above its count, or gained some', () => {
    const whole = addDenial(addDenial('# first\n', 'jti:a'), 'kid:b');
    expect(parseDenyList(whole)).not.toHaveProperty('fault');
    expect(parseDenyList(whole.replace('jti:a\n', ''))).toHaveProperty('fault');
    expect(parseDenyList(`jti:c\n${whole}`)).toHaveProperty('fault');
    expect(parseDenyList(whole.replaceAll('\n', '\r\n'))).not.toHaveProperty('fault');
  });

  it('takes a text without a count, and lines below it, as they are', () => {
    expect(names(parse('jti:a\n').jtis)).toEqual(['a']);
    expect(names(parse(`${addDenial('', 'jti:a')}jti:by-hand\n`).jtis)).toEqual(['a', 'by-hand']);
  });
});

describe('addDenial', () => {
  it('keeps every line and counts them at the end', () => {
    const text = addDenial(addDenial('# first\n\njti:a', 'jti:b'), 'kid:c');
    expect(text).toBe('# first\n\njti:a\njti:b\nkid:c\n# lines above: 5\n');
    expect(addDenial(text, 'jti:b')).toBe(text);
  });
});
