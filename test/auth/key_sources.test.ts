// An operator whose keys stand in several places: in the environment, in the key file, in the snapshot of a cluster.

import { describe, expect, it } from 'vitest';
import { parseKeyFile } from '../../auth/key_file.js';
import type { KeyEntry } from '../../auth/key_record.js';
import { describeProblem, gatherKeys, keysGeneration, type KeySources } from '../../auth/key_sources.js';
import { revokedName } from '../../auth/snapshot.js';
import { nodePlatform } from '../../node/crypto.js';

const secret = 'secret-of-the-fingerprints';
const lineOf = (name: string, attributes = '') => `${name}:$sha256$${nodePlatform.sha256(name)}${attributes}`;
const nameOf = (line: string) =>
  revokedName(parseKeyFile(line, nodePlatform).entries[0] as KeyEntry, secret, nodePlatform);
const gather = (sources: Partial<KeySources>) =>
  gatherKeys({ apiKey: '', apiKeys: '', fileText: '', snapshot: undefined, ...sources }, secret, nodePlatform);
const snapshotOf = (keys: string[], revoked: string[] = []) => ({ keys, revoked });
const namesOf = (entries: KeyEntry[]) => entries.map(({ name, text }) => name || text);

describe('gatherKeys', () => {
  it('joins all sources, in their order', () => {
    const { entries, problems, warnings } = gather({
      apiKey: 'k-1',
      fileText: lineOf('alice'),
      snapshot: snapshotOf([lineOf('bob')]),
    });
    expect(namesOf(entries)).toEqual(['k-1', 'alice', 'bob']);
    expect([problems, warnings]).toEqual([[], []]);
  });

  it('counts a key once that stands in several sources: as the first of them has it', () => {
    const { entries, problems } = gather({
      apiKeys: 'alice',
      fileText: `${lineOf('alice', ' scope=file')}\n${lineOf('bob', ' scope=file')}`,
      snapshot: snapshotOf([lineOf('alice'), lineOf('bob', ' scope=snapshot'), lineOf('carol')]),
    });
    expect(entries.map(({ name, scopes }) => [name, ...scopes])).toEqual([[''], ['bob', 'file'], ['carol']]);
    expect(problems).toEqual([]);
  });

  it('leaves revoked keys out, however a source writes them', () => {
    const revoked = [nameOf('plain-key'), nameOf(lineOf('bob'))];
    const { entries } = gather({
      apiKey: 'plain-key',
      fileText: `other:$sha256$${nodePlatform.sha256('bob')} scope=x id=abcd1234\n${lineOf('alice')}`,
      snapshot: snapshotOf([lineOf('bob'), lineOf('carol')], revoked),
    });
    expect(namesOf(entries)).toEqual(['alice', 'carol']);
  });

  it('revokes nothing by names that were made with another secret', () => {
    const entry = parseKeyFile('plain-key', nodePlatform).entries[0] as KeyEntry;
    const revoked = [revokedName(entry, 'another', nodePlatform)];
    expect(gather({ apiKey: 'plain-key', snapshot: snapshotOf([], revoked) }).entries).toHaveLength(1);
  });

  it('reports problems with their place', () => {
    const { problems, entries } = gather({
      apiKey: 'your-api-key',
      fileText: `${lineOf('alice', ' id=abcd1234')}\nname:plaintext`,
      snapshot: snapshotOf([lineOf('bob', ' id=abcd1234'), 'name:plaintext', lineOf('carol')]),
    });
    expect(namesOf(entries)).toEqual(['alice', 'carol']);
    expect(problems.map(describeProblem)).toEqual([
      expect.stringMatching(/^API_KEY: a placeholder/),
      expect.stringMatching(/^API_KEYS_FILE: line 2: /),
      expect.stringMatching(/^shared\/snapshot\.json: key 2: /),
      'shared/snapshot.json: key 1: a line of another source has the same id, and counts',
    ]);
  });

  it('gives lines of one name the lowest limit of all sources, and says which lines that changes', () => {
    const { entries, warnings } = gather({
      fileText: `${lineOf('x')}\n${lineOf('alice', ' rate=60/m')}`,
      snapshot: snapshotOf([
        `alice:$sha256$${nodePlatform.sha256('other')} rate=1/m`,
        `x:$sha256$${nodePlatform.sha256('y')}`,
      ]),
    });
    expect(entries.map(({ limit }) => limit?.intervalMs)).toEqual([undefined, 60000, 60000, undefined]);
    expect(warnings.map(describeProblem)).toEqual([
      'API_KEYS_FILE: line 2: another line of the same name has a lower limit, which counts for both',
    ]);
  });
});

describe('keysGeneration', () => {
  it('changes with each source', () => {
    const base = { apiKey: 'a', apiKeys: 'b', fileDigest: 'c', snapshotDigest: 'd' };
    const others = Object.keys(base).map((name) => ({ ...base, [name]: 'x' }));
    expect(new Set([base, ...others].map((sources) => keysGeneration(sources, nodePlatform))).size).toBe(5);
    expect(keysGeneration(base, nodePlatform)).toMatch(/^[\w-]{22}$/);
  });
});
