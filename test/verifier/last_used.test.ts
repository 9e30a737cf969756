// An operator who restarts the gateway and asks which keys nobody uses any more; and a file that somebody has damaged.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openLastUsed } from '../../verifier/last_used.js';

let dir = '';
const warnings: string[] = [];
const open = () => openLastUsed(dir, (text) => warnings.push(text));
const read = () => JSON.parse(readFileSync(join(dir, 'last_used.json'), 'utf8')) as object;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'keygate-last-used-'));
  warnings.length = 0;
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe('last uses', () => {
  it('are there again after a restart, each with its latest time', () => {
    const first = open();
    first.note({ Ab3dE6gH: 100, 'key-ab_-EFGH': 50 });
    first.note({ Ab3dE6gH: 90 });
    first.flush();
    expect(open().times()).toEqual({ Ab3dE6gH: 100, 'key-ab_-EFGH': 50 });
  });

  it('are written only when one has changed', () => {
    const lastUsed = open();
    lastUsed.note({ Ab3dE6gH: 100 });
    lastUsed.flush();
    rmSync(join(dir, 'last_used.json'));
    lastUsed.note({ Ab3dE6gH: 100 });
    lastUsed.flush();
    expect(read).toThrow('ENOENT');
  });

  it.each([
    undefined,
    null,
    'text',
    { __proto__: 1, 'a b': 1 },
    { Ab3dE6gH: '1' },
    { Ab3dE6gH: -1 },
    { Ab3dE6gH: 1e99 },
  ])('take nothing from %j', (times) => {
    const lastUsed = open();
    lastUsed.note(times);
    expect(lastUsed.times()).toEqual({});
  });

  it.each(['', '{', '[]', '{"Ab3dE6gH":"x"}', 'null'])('begin anew with a damaged file: %s', (text) => {
    writeFileSync(join(dir, 'last_used.json'), text);
    expect(open().times()).toEqual({});
  });

  it('are kept for the 1,500 keys that were used last', () => {
    const id = (number: number) => `N${String(number).padStart(7, '0')}`;
    const lastUsed = open();
    lastUsed.note(Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [id(i), i + 1])));
    lastUsed.flush();
    expect(Object.keys(read())).toHaveLength(1500);
    expect(read()).toMatchObject({ [id(1999)]: 2000 });
  });

  it('tell once that the file can not be written, and go on', () => {
    rmSync(dir, { recursive: true });
    writeFileSync(dir, 'a file in the place of the folder');
    const lastUsed = open();
    for (const seconds of [1, 2]) {
      lastUsed.note({ Ab3dE6gH: seconds });
      lastUsed.flush();
    }
    expect(warnings).toHaveLength(1);
    expect(lastUsed.times()).toEqual({ Ab3dE6gH: 2 });
  });
});
