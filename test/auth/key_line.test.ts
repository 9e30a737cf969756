// An admin who writes a line of the key file by hand.

import { describe, expect, it } from 'vitest';
import { parseKeyLine } from '../../auth/key_line.js';
import { nodePlatform } from '../../node/crypto.js';

const parse = (line: string) => parseKeyLine(line, 1, nodePlatform);
const body = 'abcdefghijklmnopqrstuuOWy6V1Hnz3QZ1p0ZbJ5q3oF9Yb1V7mS';
const digest = nodePlatform.sha256('x');

describe('parseKeyLine', () => {
  it('reads all attributes', () => {
    expect(parse(`carol:$2b$12$${body}  id=Ab3dE6gH expires=2027-01-31\tscope=models,chat`)).toMatchObject({
      kind: 'bcrypt',
      name: 'carol',
      id: 'Ab3dE6gH',
      expiresSeconds: Date.UTC(2027, 0, 31) / 1000,
      scopes: ['models', 'chat'],
    });
  });

  it.each(['$2a$', '$2b$', '$2y$'])('takes %s', (prefix) => {
    expect(parse(`${prefix}04$${body}`)).toMatchObject({ kind: 'bcrypt' });
  });

  it.each([
    ['$2x$', `$2x$12$${body}`],
    ['$2$', `$2$12$${body}`],
    ['cost 15', `$2b$15$${body}`],
    ['cost 3', `$2b$03$${body}`],
    ['a short bcrypt hash', `$2b$12$${body.slice(1)}`],
    ['argon2', 'a:$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$hash'],
    ['a short SHA-256', '$sha256$abc'],
    ['SHA-256 that is not canonical', `$sha256$${digest.slice(0, -1)}B`],
    ['padded SHA-256', `$sha256$${digest}=`],
    ['a name for plaintext', 'name:plaintext'],
    ['an empty name', `:$sha256$${digest}`],
    ['a name with a space', `a b:$sha256$${digest}`],
    ['a name with a slash', `a/b:$sha256$${digest}`],
    ['a name of 129 characters', `${'n'.repeat(129)}:$sha256$${digest}`],
    ['an unknown attribute', `$sha256$${digest} admin=1`],
    ['a doubled attribute', `$sha256$${digest} scope=a scope=b`],
    ['an empty scope', `$sha256$${digest} scope=,`],
    ['a scope with quotes', `$sha256$${digest} scope="a"`],
    ['an id of 7 characters', `$sha256$${digest} id=1234567`],
    ['an expiry that is no date', `$sha256$${digest} expires=tomorrow`],
    ['an impossible date', `$sha256$${digest} expires=2027-02-29`],
    ['plaintext with white space', 'two words'],
    ['plaintext with a comma', 'a,b'],
    ['plaintext with two dots', 'a.b.c'],
    ['a control byte', 'key\x01'],
    ['a letter outside ASCII', 'schlüssel'],
    ['a NUL', 'abc\0def'],
  ])('does not use a line with %s, and says why', (_, line) => {
    expect(parse(line)).toEqual({ problem: expect.stringMatching(/\w/) as string });
  });

  it.each([
    ['', null],
    [' rate=60/m', { intervalMs: 1000, burst: 0 }],
    [' rate=60r/m burst=0', { intervalMs: 1000, burst: 0 }],
    [' burst=20 rate=7/s', { intervalMs: 1000 / 7, burst: 20 }],
    [' rate=1/d burst=365', { intervalMs: 86400000, burst: 365 }],
  ])('reads the limit of%s in a line of each kind', (attributes, limit) => {
    for (const key of ['kg_abc', `$sha256$${digest}`, `a:$sha256$${digest}`, `a:$2b$12$${body}`])
      expect(parse(`${key}${attributes}`)).toMatchObject({ limit });
  });

  it.each([
    [' rate=', 'an attribute that is not'],
    [' rate=60', 'rate= expects'],
    [' rate=0/m', 'rate= expects'],
    [' rate=off', 'rate= expects'],
    [' rate=60/w', 'rate= expects'],
    [' rate=60/m burst=-1', 'burst= expects a whole number'],
    [' rate=60/m burst=1000001', 'burst= expects a whole number'],
    [' rate=60/m burst=many', 'burst= expects a whole number'],
    [' rate=60/m rate=60/m', 'rate= stands twice'],
    [' rate=60/m burst=1 burst=1', 'burst= stands twice'],
    [' burst=3', 'burst= expects rate= beside it'],
    [' burst=0', 'burst= expects rate= beside it'],
    [' rate=1/d burst=366', 'burst= is more than the rate= gives in a year'],
    [' Rate=60/m', 'an attribute that is not'],
  ])('does not use a line with%s, and says why', (attributes, problem) => {
    for (const hash of [`$sha256$${digest}`, `a:$sha256$${digest}`, `a:$2b$12$${body}`])
      expect(parse(`${hash}${attributes}`)).toEqual({ problem: expect.stringContaining(problem) as string });
  });

  it.each(['kg_abc', 'a.b', 'a.b.c.d', 'sk-proj_1'])('takes %s as a plaintext key', (key) => {
    expect(parse(key)).toMatchObject({ kind: 'plaintext', hash: nodePlatform.sha256(key) });
  });

  // What `keygate key new` writes is read in one go; white space of another kind takes the general way.
  it.each([
    `a:$sha256$${digest}`,
    `a.b-c_d@e+f:$sha256$${digest} id=Ab3dE6gH`,
    `a:$sha256$${digest} id=Ab3dE6gH expires=2027-01-31 scope=models,chat`,
    `a:$sha256$${digest} scope=models`,
    `a:$2b$04$${body}`,
    `a:$2y$14$${body} id=Ab3dE6gH`,
    `a:$2a$12$${body} expires=2027-01-31T08:00:00+01:00`,
    `a:$sha256$${digest} id=short`,
    `a:$sha256$${digest} id=Ab3dE6gH id=Ab3dE6gI`,
    `a:$sha256$${digest} id=`,
    `a:$sha256$${digest} admin`,
    `a:$sha256$${digest} scope=sch\u00f6n`,
    `a:$sha256$${digest.slice(0, -1)}B`,
    `a:$2b$15$${body}`,
    `a:$2b$03$${body}`,
    `a:$2b$12$${body}x`,
    `${'n'.repeat(128)}:$sha256$${digest}`,
  ])('reads %s alike, however its words are set apart', (text) => {
    const usual = parse(text);
    const bare = { text: '', ...(text.includes(' ') || 'problem' in usual ? {} : { scopes: [] }) };
    const general = parse(text.includes(' ') ? text.replace(' ', ' \t') : `${text}\tscope=x`);
    expect({ ...usual, text: '' }).toEqual({ ...general, ...bare });
    expect('problem' in usual).toBe(/short|id=Ab3dE6gI|id=$|admin|\u00f6|B$|\$15|\$03|x$/.test(text));
  });
});
