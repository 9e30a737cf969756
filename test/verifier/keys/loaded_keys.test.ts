// A sidecar that loads keys from a file, from the environment and from the snapshot of a cluster.

import { describe, expect, it } from 'vitest';
import { parseKeyFile } from '../../../auth/key_file.js';
import type { KeyEntry } from '../../../auth/key_record.js';
import { revokedName } from '../../../auth/snapshot.js';
import {
  generationOf,
  loadKeys,
  readKeyFile,
  readSnapshot,
  type KeyContents,
} from '../../../verifier/keys/loaded_keys.js';
import { nodePlatform } from '../../../node/crypto.js';

const secret = 'secret-of-the-fingerprints';
const digest = nodePlatform.sha256('key-1');
const body = 'abcdefghijklmnopqrstuuOWy6V1Hnz3QZ1p0ZbJ5q3oF9Yb1V7mS';
const contents = (text: string, apiKeys = ''): KeyContents => ({
  apiKey: '',
  apiKeys,
  file: readKeyFile(Buffer.from(text)),
  snapshot: undefined,
});
const snapshotOf = (keys: string[], revoked: string[] = []) =>
  readSnapshot(Buffer.from(JSON.stringify({ number: 1, keys, revoked, denied: [] })));
const nameOf = (line: string) =>
  revokedName(parseKeyFile(line, nodePlatform).entries[0] as KeyEntry, secret, nodePlatform);

describe('loadKeys', () => {
  it('sorts entries by how they are looked up', () => {
    const { keys } = loadKeys(contents(`a:$sha256$${digest}\nb:$2b$12$${body} id=Ab3dE6gH\n$2b$10$${body}\n`), secret);
    expect([...keys.byDigest.keys()]).toEqual([digest]);
    expect([...keys.hashedById.keys()]).toEqual(['Ab3dE6gH']);
    expect(keys.hashedWithoutId).toHaveLength(1);
  });

  it('prefers the entry of the environment for a key that stands in both, as nginx does', () => {
    const { keys } = loadKeys(contents(`a:$sha256$${digest}\n`, 'key-1'), secret);
    expect(keys.byDigest.get(digest)).toMatchObject({ kind: 'plaintext', name: '' });
  });

  it('adds the keys of the snapshot, and leaves out the revoked ones of every source', () => {
    const lines = [`b:$2b$12$${body} id=Ab3dE6gH`, `$2b$10$${body}`];
    const of = (revoked: string[]) =>
      loadKeys({ ...contents(`a:$sha256$${digest}\n`, 'key-2'), snapshot: snapshotOf(lines, revoked) }, secret).keys;
    const all = of([]);
    expect([all.byDigest.size, all.hashedById.size, all.hashedWithoutId.length]).toEqual([2, 1, 1]);
    const none = of([`a:$sha256$${digest}`, 'key-2', ...lines].map(nameOf));
    expect([none.byDigest.size, none.hashedById.size, none.hashedWithoutId.length]).toEqual([0, 0, 0]);
  });
});

describe('generationOf', () => {
  it('tells contents apart that are the same text with other bytes', () => {
    expect(generationOf(contents('\ufeffa'))).not.toBe(generationOf(contents('a')));
    expect(generationOf(contents('a'))).toBe(generationOf(contents('a')));
    expect(generationOf({ ...contents(''), file: undefined })).not.toBe(generationOf(contents('')));
  });

  it('changes with the snapshot', () => {
    const of = (keys: string[]) => generationOf({ ...contents(''), snapshot: snapshotOf(keys) });
    expect(new Set([generationOf(contents('')), of([]), of(['a'])]).size).toBe(3);
  });
});
