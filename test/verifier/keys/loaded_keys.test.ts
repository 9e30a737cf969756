// A sidecar that loads keys from a file and from the environment.

import { describe, expect, it } from 'vitest';
import { generationOf, loadKeys, type KeySources } from '../../../verifier/keys/loaded_keys.js';
import { nodePlatform } from '../../../node/crypto.js';

const digest = nodePlatform.sha256('key-1');
const body = 'abcdefghijklmnopqrstuuOWy6V1Hnz3QZ1p0ZbJ5q3oF9Yb1V7mS';
const sources = (text: string, apiKeys = ''): KeySources => ({ apiKey: '', apiKeys, fileBytes: Buffer.from(text) });

describe('loadKeys', () => {
  it('sorts entries by how they are looked up', () => {
    const { keys } = loadKeys(sources(`a:$sha256$${digest}\nb:$2b$12$${body} id=Ab3dE6gH\n$2b$10$${body}\n`));
    expect([...keys.byDigest.keys()]).toEqual([digest]);
    expect([...keys.hashedById.keys()]).toEqual(['Ab3dE6gH']);
    expect(keys.hashedWithoutId).toHaveLength(1);
  });

  it('prefers the entry of the environment for a key that stands in both, as nginx does', () => {
    const { keys } = loadKeys(sources(`a:$sha256$${digest}\n`, 'key-1'));
    expect(keys.byDigest.get(digest)).toMatchObject({ kind: 'plaintext', name: '' });
  });
});

it('generationOf tells contents apart that are the same text with other bytes', () => {
  const of = (...bytes: number[]) => generationOf({ ...sources(''), fileBytes: Buffer.from(bytes) });
  expect(of(0x61, 0xff)).not.toBe(of(0x61, 0xfe));
  expect(of(0x61)).toBe(of(0x61));
  expect(generationOf({ ...sources(''), fileBytes: undefined })).not.toBe(generationOf(sources('')));
});
