// An admin who rotates signing keys.

import { describe, expect, it } from 'vitest';
import { activate, addNext, advanceKeys, publishSeconds, removeKey } from '../../../verifier/signing/key_rotation.js';
import type { StoredSigningKey } from '../../../verifier/signing/stored_keys.js';

const key = (kid: string, state: StoredSigningKey['state'], sinceSeconds = 1000): StoredSigningKey => ({
  state,
  sinceSeconds,
  jwk: { kid },
});
const shape = (keys: StoredSigningKey[]) => keys.map((one) => `${one.jwk.kid} ${one.state}`);

describe('advanceKeys', () => {
  it('leaves keys as they are while nothing is due', () => {
    const keys = [key('a', 'active'), key('b', 'next'), key('c', 'retired')];
    expect(advanceKeys(keys, 1000 + publishSeconds - 1, { ttlSeconds: 3600, hasLasted: () => true })).toBe(keys);
  });

  it('lets a published key sign after the time that others may keep our set', () => {
    const keys = [key('a', 'active'), key('b', 'next')];
    expect(shape(advanceKeys(keys, 1000 + publishSeconds, { ttlSeconds: 3600, hasLasted: () => true }))).toEqual([
      'a retired',
      'b active',
    ]);
  });

  it('drops a retired key after its last token has expired', () => {
    const keys = [key('a', 'active'), key('c', 'retired')];
    expect(shape(advanceKeys(keys, 1000 + 3659, { ttlSeconds: 3600, hasLasted: () => true }))).toEqual([
      'a active',
      'c retired',
    ]);
    expect(shape(advanceKeys(keys, 1000 + 3660, { ttlSeconds: 3600, hasLasted: () => true }))).toEqual(['a active']);
  });
});

describe('a clock that jumps', () => {
  it('loses no retired key that has not been retired for long enough by another clock', () => {
    const keys = [key('a', 'active'), key('c', 'retired')];
    expect(advanceKeys(keys, 1000 + 7200, { ttlSeconds: 3600, hasLasted: () => false })).toBe(keys);
  });

  it('holds no key back until the clock has caught up', () => {
    const about = { ttlSeconds: 3600, hasLasted: () => true };
    const set = advanceKeys([key('a', 'active'), key('b', 'next', 5000)], 1400, about);
    expect(set).toEqual([key('a', 'active'), key('b', 'next', 1400)]);
    expect(shape(advanceKeys(set, 1400 + publishSeconds, about))).toEqual(['a retired', 'b active']);
  });
});

describe('changes by hand', () => {
  it('activates one key and retires the one that signed', () => {
    expect(shape(activate([key('a', 'active'), key('b', 'next')], 'b', 5))).toEqual(['a retired', 'b active']);
  });

  it('adds a key once', () => {
    expect(shape(addNext([key('a', 'active'), key('b', 'next')], { kid: 'b' }, 5))).toEqual(['a active', 'b next']);
  });

  it('lets the next key, or a new one, sign when the active one is removed', async () => {
    const about = { nowSeconds: 5, alg: 'ES256' as const };
    expect(shape(await removeKey([key('a', 'active'), key('b', 'next')], 'a', about))).toEqual(['b active']);
    const made = await removeKey([key('a', 'active')], 'a', about);
    expect(made).toEqual([
      expect.objectContaining({ state: 'active', jwk: expect.objectContaining({ alg: 'ES256' }) as object }),
    ]);
    expect(shape(await removeKey([key('a', 'active'), key('b', 'retired')], 'b', about))).toEqual(['a active']);
  });
});
