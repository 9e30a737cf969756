// Which hashes a credential is tried against, and how often: with a pool that only counts.

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { makeCheckKey, type CheckKey } from '../../../verifier/keys/check_key.js';
import { loadKeys, readKeyFile, type LoadedKeys } from '../../../verifier/keys/loaded_keys.js';
import { nodePlatform } from '../../../node/crypto.js';

const hash = (last: string) => `$2b$12$${'a'.repeat(52)}${last}`;
const generated = (id: string) => `kg_${id}_${'s'.repeat(43)}`;
const keysOf = (...lines: string[]): LoadedKeys =>
  loadKeys({ apiKey: '', apiKeys: '', file: readKeyFile(Buffer.from(lines.join('\n'))), snapshot: undefined }, '').keys;

let tried: { credential: string; hashes: string[] }[] = [];
let match: number | 'full' | 'timed out' = -1;
let check: CheckKey;

beforeEach(() => {
  vi.useFakeTimers();
  tried = [];
  match = -1;
  const findMatch = async (credential: string, hashes: string[]) => {
    tried.push({ credential, hashes });
    await new Promise((resolve) => setTimeout(resolve, 10));
    return match;
  };
  check = makeCheckKey({ findMatch });
});

afterEach(() => vi.useRealTimers());

const ask = async (credential: string, keys: LoadedKeys) => {
  const asked = check(credential, keys);
  await vi.advanceTimersByTimeAsync(10);
  return asked;
};

describe('the hashes that a key is tried against', () => {
  const keys = keysOf(
    `a:${hash('a')}`,
    `b:${hash('b')} id=Ab3dE6gH`,
    `c:${hash('c')}`,
    `$sha256$${nodePlatform.sha256('known')}`,
  );

  it.each([
    ['its own alone, for a generated key', generated('Ab3dE6gH'), [[hash('b')]]],
    ['none, for a generated key of an unknown id', generated('ZZZZZZZZ'), []],
    ['all without an id, for any other key', 'chosen-by-a-person', [[hash('a'), hash('c')]]],
    ['all without an id, for one that only looks generated', `${generated('Ab3dE6gH')}x`, [[hash('a'), hash('c')]]],
    ['none, for a key whose digest is known', 'known', []],
    ['none, for 73 bytes', 'k'.repeat(73), []],
    ['none, for a NUL in it', 'a\0b', []],
    ['none, for a byte outside ASCII', 'schl\u00fcssel', []],
  ])('are %s', async (_, credential, hashes) => {
    await ask(credential, keys);
    expect(tried.map((one) => one.hashes)).toEqual(hashes);
  });
});

describe('a key', () => {
  const keys = keysOf(`a:${hash('a')}`, `old:${hash('b')} expires=2020-01-01`);

  it('that arrives many times at once is tried once', async () => {
    match = 0;
    let begun = 0;
    const all = Promise.all(Array.from({ length: 50 }, () => check('same', keys, () => begun++)));
    await vi.advanceTimersByTimeAsync(10);
    expect(new Set((await all).map((one) => 'entry' in one && one.entry.name))).toEqual(new Set(['a']));
    expect(tried).toHaveLength(1);
    expect(begun).toBe(1);
  });

  it('that is wrong is remembered for 10 s, under its generation alone', async () => {
    expect(await ask('wrong', keys)).toEqual({ reason: 'unknown_key' });
    await vi.advanceTimersByTimeAsync(9000);
    expect(await ask('wrong', keys)).toEqual({ reason: 'unknown_key' });
    expect(tried).toHaveLength(1);
    await ask('wrong', keysOf(`a:${hash('d')}`));
    expect(tried, 'other keys').toHaveLength(2);
    await vi.advanceTimersByTimeAsync(1000);
    await ask('wrong', keys);
    expect(tried).toHaveLength(3);
  });

  it('that is right is remembered too, but not beyond its expiry', async () => {
    match = 0;
    const soon = keysOf(`a:${hash('a')} expires=${new Date(Date.now() + 5000).toISOString()}`);
    expect(await ask('right', soon)).toMatchObject({ entry: { name: 'a' } });
    expect(await ask('right', soon)).toMatchObject({ entry: { name: 'a' } });
    expect(tried).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(5000);
    expect(await ask('right', soon)).toEqual({ reason: 'expired_key', matched: soon.hashedWithoutId[0] });
  });

  it('that found no place in the queue is not remembered as wrong', async () => {
    match = 'full';
    expect(await ask('later', keys)).toEqual({ reason: 'verifier_busy', isQueueFull: true });
    match = 'timed out';
    expect(await ask('later', keys)).toEqual({ reason: 'verifier_busy', isQueueFull: false });
    match = 0;
    expect(await ask('later', keys)).toMatchObject({ entry: { name: 'a' } });
  });

  it('whose entry has expired is refused for that, and the entry named', async () => {
    match = 1;
    expect(await ask('old', keys)).toEqual({ reason: 'expired_key', matched: keys.hashedWithoutId[1] });
  });
});
