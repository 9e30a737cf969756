// An attacker who reads and writes the store, and an operator whose nodes have different secrets.

import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { openClusterKeys } from '../../cluster/seal.js';
import { clusterSettings, makeSecretFile } from './harness/settings.js';

const file = makeSecretFile();
const keysOf = (env: { [name: string]: string } = {}) =>
  openClusterKeys(clusterSettings('redis://127.0.0.1:1', { CLUSTER_SECRET_FILE: file, ...env }));

describe('a sealed value', () => {
  it('opens on another node with the same secret, and shows nothing of its text', () => {
    const sealed = keysOf().seal('snapshot', 'alice:plainkey');
    expect(sealed.toString('latin1')).not.toContain('plainkey');
    expect(keysOf().open('snapshot', sealed)).toBe('alice:plainkey');
    expect(keysOf().seal('snapshot', 'alice:plainkey')).not.toEqual(sealed);
  });

  it.each([
    ['another secret', { CLUSTER_SECRET_FILE: makeSecretFile() }, 'snapshot'],
    ['another prefix', { REDIS_PREFIX: 'other' }, 'snapshot'],
    ['another purpose', {}, 'node a'],
  ])('does not open with %s', (_, env, purpose) => {
    expect(keysOf(env as { [name: string]: string }).open(purpose, keysOf().seal('snapshot', 'x'))).toBeUndefined();
  });

  it('does not open with any byte changed, cut off or put after it', () => {
    const keys = keysOf();
    const sealed = keys.seal('snapshot', 'text');
    for (let i = 0; i < sealed.length; i++) {
      const changed = Buffer.from(sealed);
      changed.writeUInt8(changed.readUInt8(i) ^ 1, i);
      expect(keys.open('snapshot', changed)).toBeUndefined();
      expect(keys.open('snapshot', sealed.subarray(0, i))).toBeUndefined();
    }
    expect(keys.open('snapshot', Buffer.concat([sealed, Buffer.from('x')]))).toBeUndefined();
  });
});

describe('what follows from the secret', () => {
  it('is equal on nodes with one secret, whatever line end its file has', () => {
    const other = makeSecretFile();
    writeFileSync(other, 'a-secret-of-forty-characters-or-so-000000');
    const one = keysOf({ CLUSTER_SECRET_FILE: other });
    writeFileSync(other, 'a-secret-of-forty-characters-or-so-000000\r\n');
    const two = keysOf({ CLUSTER_SECRET_FILE: other });
    expect([two.check, two.entrySecret, two.digest('x')]).toEqual([one.check, one.entrySecret, one.digest('x')]);
    expect(keysOf().check).not.toBe(one.check);
    expect(keysOf().entrySecret).not.toBe(one.entrySecret);
    expect(one.entrySecret).toMatch(/^[\w-]{43}$/);
  });
});
