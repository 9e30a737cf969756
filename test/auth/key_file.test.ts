// An admin whose key file has lines that can not be used.

import { describe, expect, it } from 'vitest';
import { parseEnvironmentKeys, parseKeyFile } from '../../auth/key_file.js';
import { nodePlatform } from '../../node/crypto.js';

const hash = (key: string) => nodePlatform.sha256(key);
const bcrypt = '$2b$12$abcdefghijklmnopqrstuuOWy6V1Hnz3QZ1p0ZbJ5q3oF9Yb1V7mS';
const parse = (text: string) => parseKeyFile(text, nodePlatform);

describe('parseKeyFile', () => {
  it('reads every kind of line', () => {
    const { entries, problems } = parse(
      [
        '# comment',
        '',
        `alice:${bcrypt}`,
        `  ${bcrypt.replace('$2b', '$2y')}`,
        `bob:$sha256$${hash('x')} scope=a,b`,
        'plain-key',
      ].join('\n'),
    );
    expect(problems).toEqual([]);
    expect(entries.map(({ kind, name, line, scopes }) => ({ kind, name, line, scopes }))).toEqual([
      { kind: 'bcrypt', name: 'alice', line: 3, scopes: [] },
      { kind: 'bcrypt', name: '', line: 4, scopes: [] },
      { kind: 'sha256', name: 'bob', line: 5, scopes: ['a', 'b'] },
      { kind: 'plaintext', name: '', line: 6, scopes: [] },
    ]);
    expect(entries[2]?.hash).toBe(hash('x'));
    expect(entries[3]?.hash).toBe(hash('plain-key'));
  });

  it('reads CRLF, a byte order mark and a last line without its end', () => {
    const { entries, problems } = parse(`\ufeffone-key\r\n\r\n# c\r\ntwo-key`);
    expect(problems).toEqual([]);
    expect(entries.map((entry) => entry.hash)).toEqual([hash('one-key'), hash('two-key')]);
  });

  it('keeps two keys of one name, and the first of two equal ones', () => {
    const text = `a:$sha256$${hash('1')}\na:$sha256$${hash('2')}\nb:$sha256$${hash('1')}`;
    const { entries, problems } = parse(text);
    expect(entries.map((entry) => entry.line)).toEqual([1, 2]);
    expect(problems).toEqual([{ line: 3, problem: 'the same key stands in an earlier line, which counts' }]);
  });

  it('keeps the first of two entries with one id', () => {
    const { entries, problems } = parse(`${bcrypt} id=abcdefgh\n${bcrypt.replace('$12', '$10')} id=abcdefgh`);
    expect(entries).toHaveLength(1);
    expect(problems[0]).toMatchObject({ line: 2 });
  });

  it('warns of a bcrypt hash that no key can match', () => {
    expect(parse(`a:$2b$12$${'a'.repeat(53)}`)).toMatchObject({
      entries: [{ kind: 'bcrypt' }],
      warnings: [{ line: 1, problem: expect.stringContaining('salt') as string }],
    });
    expect(parse(`a:${bcrypt}`).warnings).toEqual([]);
  });

  it('warns of plaintext and of more than 64 bcrypt entries without an id', () => {
    expect(parse('plain-key').warnings).toEqual([expect.objectContaining({ line: 1 })]);
    const many = Array.from({ length: 65 }, (_, i) => bcrypt.slice(0, -2) + String(10 + i)).join('\n');
    expect(parse(many).warnings).toEqual([
      expect.objectContaining({ line: 0, problem: expect.stringContaining('65') as string }),
    ]);
  });

  it.each([
    ['the first has it', ' rate=1/m burst=3', '', [2]],
    ['the last has it', '', ' rate=1/m burst=3', [1]],
    ['one is lower by its rate', ' rate=2/m', ' rate=1/m burst=3', [1]],
    ['one is lower by its burst', ' rate=1/m burst=3', ' rate=60/h burst=4', [2]],
    ['both have it', ' rate=1/m burst=3', ' rate=60/h burst=3', []],
  ])('gives lines of one name the lowest limit where %s, and warns', (_, one, other, warned) => {
    const lines = [`a:$sha256$${hash('1')}${one}`, `a:$sha256$${hash('2')}${other}`, `b:$sha256$${hash('3')}`];
    const { entries, problems, warnings } = parse(lines.join('\n'));
    const lowest = { intervalMs: 60000, burst: 3 };
    expect(entries.map(({ limit }) => limit)).toEqual([lowest, lowest, null]);
    expect(problems).toEqual([]);
    const problem = expect.stringContaining('lower limit') as string;
    expect(warnings).toEqual(warned.map((line) => ({ line, problem })));
  });

  it('shares no limit among lines without a name, nor among names that an object has of its own', () => {
    const lines = [`$sha256$${hash('1')} rate=1/m`, `$sha256$${hash('2')}`, `constructor:$sha256$${hash('3')}`];
    const { entries, warnings } = parse(lines.join('\n'));
    expect(entries.map(({ limit }) => limit)).toEqual([{ intervalMs: 60000, burst: 0 }, null, null]);
    expect(warnings).toEqual([]);
  });

  it('reports a line with a limit that can not be read, and does not use it', () => {
    const { entries, problems } = parse(`a:$sha256$${hash('1')} rate=secret\na:$sha256$${hash('2')} rate=1/m`);
    expect(entries.map(({ line }) => line)).toEqual([2]);
    expect(problems).toEqual([{ line: 1, problem: expect.stringMatching(/^rate= expects/) as string }]);
    expect(JSON.stringify(problems)).not.toContain('secret');
  });

  it('never puts content of a line into a problem', () => {
    const { problems } = parse('secret:plaintext\n$9$secret\nsecret key\nsecret,key\nsecret.a.b\n$2b$15$secret');
    expect(problems).toHaveLength(6);
    expect(JSON.stringify(problems)).not.toContain('secret');
  });

  it('has no entries in a file of comments only', () => {
    expect(parse('# a\n#b\n   \n')).toEqual({ entries: [], problems: [], warnings: [] });
  });
});

it('reads lines that end with CR, LF or CRLF, and a last line without an end', () => {
  const lines = [`a:$sha256$${hash('1')}`, `b:$sha256$${hash('2')}`, `c:$sha256$${hash('3')}`];
  for (const end of ['\r', '\n', '\r\n'])
    expect(parse(lines.join(end)).entries.map(({ name }) => name)).toEqual(['a', 'b', 'c']);
});

describe('parseEnvironmentKeys', () => {
  it('takes API_KEY and the parts of API_KEYS, each once', () => {
    const { entries, problems } = parseEnvironmentKeys('k-1', 'k-2, k-3,,k-1', nodePlatform);
    expect(entries.map((entry) => entry.text)).toEqual(['k-1', 'k-2', 'k-3']);
    expect(problems).toEqual([]);
  });

  it.each([
    'your_api_key_here',
    'your-key',
    'ghp_YOUR_TOKEN_HERE',
    'changeme',
    'CHANGE-ME',
    '<key>',
    'xxxxx',
    'my-secret-key',
    'a b',
    'a.b.c',
  ])('refuses %j', (key) => {
    const { entries, problems } = parseEnvironmentKeys(key, '', nodePlatform);
    expect(entries).toEqual([]);
    expect(problems).toEqual([{ line: 0, problem: expect.stringMatching(/^API_KEY: /) as string }]);
  });
});
