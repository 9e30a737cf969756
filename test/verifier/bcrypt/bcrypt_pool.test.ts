// Who waits for whom in the pool of bcrypt threads: with one real thread.

import { hashSync } from '@node-rs/bcrypt';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { openBcryptPool, type BcryptPool } from '../../../verifier/bcrypt/bcrypt_pool.js';
import { builtWorker } from './built_worker.js';

const slow = Array.from({ length: 12 }, (_, i) => hashSync(`key-${i}`, 9)); // about 25 ms each
const quick = hashSync('quick', 4);
let pool: BcryptPool;
const rests: number[] = [];

vi.mock('node:timers/promises', () => ({
  setTimeout: (ms: number) => {
    rests.push(ms);
    return Promise.resolve();
  },
}));

const open = (given: { queue?: number; patienceMs?: number; threads?: number } = {}) => {
  pool = openBcryptPool({ threads: 1, queue: 64, patienceMs: 60000, worker: builtWorker, ...given });
};
const search = (credential: string) => pool.findMatch(credential, slow);

afterEach(() => pool.close());

describe('the pool of bcrypt threads', () => {
  it('finds the entry of a key wherever it stands, and none for any other', async () => {
    open({ threads: 3 });
    const keys = ['key-0', 'key-5', 'key-11', 'other'];
    expect(await Promise.all(keys.map(search))).toEqual([0, 5, 11, -1]);
    expect(await pool.findMatch('quick', [quick])).toBe(0);
    expect(await pool.findMatch('other', [quick])).toBe(-1);
    expect(await pool.findMatch('other', [])).toBe(-1);
  });

  it('lets a key with one hash go before those that are searched for, which end in their order', async () => {
    open();
    const order: string[] = [];
    const ended = (name: string) => () => void order.push(name);
    const searches = ['a', 'b', 'c'].map((key) => search(key).then(ended(key)));
    const one = pool.findMatch('quick', [quick]).then(ended('quick'));
    await Promise.all([...searches, one]);
    expect(order).toEqual(['quick', 'a', 'b', 'c']);
  });

  it('says full when as many wait as may, for each of the two kinds', async () => {
    open({ queue: 2 });
    const searched = await Promise.all(['a', 'b', 'c', 'd', 'e'].map(search));
    expect(searched).toEqual([-1, -1, -1, 'full', 'full']);
    const compared = Promise.all([1, 2, 3, 4].map(() => pool.findMatch('quick', [quick])));
    expect(await Promise.all([search('key-0'), compared])).toEqual([0, [0, 0, 0, 'full']]);
  });

  it('checks what need not wait where none may wait', async () => {
    open({ queue: 0 });
    expect(await Promise.all(['key-3', 'key-4'].map(search))).toEqual([3, 'full']);
    expect(await pool.findMatch('quick', [quick])).toBe(0);
  });

  it('lets its thread rest in a search while more than half of the queue is taken, and at no other time', async () => {
    open({ queue: 4 });
    const restsBeside = async (waiting: number) => {
      rests.length = 0;
      const searched = search('key-11');
      const others = Array.from({ length: waiting }, (_, i) => search(`key-${i}`));
      expect(await searched).toBe(11);
      const during = rests.length;
      await Promise.all(others);
      expect(rests.length, 'of those after it, fewer wait').toBe(during);
      return during;
    };
    expect([await restsBeside(0), await restsBeside(2), await restsBeside(3)]).toEqual([0, 0, 11]);
    expect(Math.min(...rests)).toBeGreaterThan(0);
  });

  it('gives up what it could not begin in time, so that others find a place, and ends what it has begun', async () => {
    open({ queue: 1, patienceMs: 60 });
    const begun = search('key-11');
    const waiting = search('key-0');
    expect(await search('key-1')).toBe('full');
    expect(await waiting).toBe('timed out');
    const next = search('key-2');
    expect(await Promise.race([begun, next])).toBe('timed out');
    expect(await begun).toBe(11);
    expect(await search('key-3')).toBe(3);
  });
});
