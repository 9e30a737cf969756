// Nodes that knew different things while they could not see each other.

import { describe, expect, it } from 'vitest';
import { parseKeyFile } from '../../auth/key_file.js';
import { revokedName, type Snapshot } from '../../auth/snapshot.js';
import { contentOf, emptySnapshot, mergeSnapshots } from '../../cluster/merge.js';
import { nodePlatform } from '../../node/crypto.js';

const secret = 'secret';
const lineOf = (name: string) => `${name}:$sha256$${nodePlatform.sha256(name)}`;
const nameOf = (line: string) => {
  const [entry] = parseKeyFile(line, nodePlatform).entries;
  if (entry === undefined) throw new Error(line);
  return revokedName(entry, secret, nodePlatform);
};
const made = (parts: Partial<Snapshot>): Snapshot => ({ ...emptySnapshot, ...parts });

describe('mergeSnapshots', () => {
  it('keeps each key and each denial of both, and the larger number', () => {
    const one = made({ number: 7, keys: [lineOf('bob')], denied: ['jti:1'] });
    const other = made({ number: 3, keys: [lineOf('alice'), lineOf('bob')], denied: ['kid:x'] });
    expect(mergeSnapshots(one, other, secret)).toEqual({
      number: 7,
      keys: [lineOf('alice'), lineOf('bob')],
      revoked: [],
      denied: ['jti:1', 'kid:x'],
    });
  });

  it('drops a key that either of them revoked, whatever attributes its line has', () => {
    const revoking = made({ number: 2, revoked: [nameOf(lineOf('alice'))] });
    const backup = made({ number: 1, keys: [`${lineOf('alice')} scope=models`, lineOf('bob')] });
    for (const merged of [mergeSnapshots(revoking, backup, secret), mergeSnapshots(backup, revoking, secret)])
      expect(merged).toMatchObject({ keys: [lineOf('bob')], revoked: revoking.revoked });
  });

  it('gives the same text in whatever order and however often it is done', () => {
    const names = ['a', 'b', 'c', 'd', 'e'];
    const parts = names.map((name, i) =>
      made({
        number: i,
        keys: names.map(lineOf).reverse(),
        revoked: [nameOf(lineOf(name))].slice(i % 2),
        denied: [`jti:${i}`],
      }),
    );
    const merge = (list: Snapshot[]) => list.reduce((all, one) => mergeSnapshots(all, one, secret), emptySnapshot);
    const expected = contentOf(merge(parts));
    expect(contentOf(merge([...parts].reverse()))).toBe(expected);
    expect(contentOf(merge([...parts, ...parts]))).toBe(expected);
    expect(merge(parts).keys).toHaveLength(2);
  });

  it('keeps a line that it can not read: it admits nobody here', () => {
    expect(
      mergeSnapshots(made({ keys: ['eve:$9z$', lineOf('a')], revoked: ['x'] }), emptySnapshot, secret).keys,
    ).toContain('eve:$9z$');
  });
});
