// A worker that reads keys while another worker stores a new set.

import { mkdtempSync, renameSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { parseKeyFile } from '../../../auth/key_file.js';
import { entryFingerprint, recordOf, type KeyEntry } from '../../../auth/key_record.js';
import { nodePlatform } from '../../../node/crypto.js';
import { openContext, type Context } from '../../properties/njs_in_node.js';

const secret = 'secret-of-the-fingerprints';
const file = join(mkdtempSync(join(tmpdir(), 'keygate-keys-')), 'api_keys.txt');
const looking = { path: file, name: 'keys', maxBytes: 1000 };
const entriesOf = (text: string) => parseKeyFile(text, nodePlatform).entries;
const lineOf = (name: string, attributes = '') => `${name}:$sha256$${nodePlatform.sha256(name)}${attributes}`;

describe('the stored set of keys', () => {
  let context: Context;

  beforeAll(async () => {
    context = await openContext(true);
  });

  afterAll(() => vi.unstubAllGlobals());

  const store = (text: string, isLatest = () => true) =>
    context.storeKeySet(entriesOf(text), {
      generation: text,
      secret,
      platform: nodePlatform,
      nowMs: Date.now(),
      isLatest,
      keepSources: () => true,
      isUsable: true,
    });
  const find = (name: string) => context.findRecord(context.currentKeySet(), nodePlatform.sha256(name));

  it.each([
    ['nothing but a name', lineOf('alice')],
    ['scopes', lineOf('alice', ' scope=models,chat')],
    ['an end', lineOf('alice', ' expires=2030-01-01T00:00:00.5Z')],
    ['a limit', lineOf('alice', ' rate=7/s burst=3')],
    ['all of them', lineOf('alice', ' scope=a,b expires=2030-01-01 rate=1/d id=abcd1234')],
    ['an end in the first second of 1970', lineOf('alice', ' expires=1970-01-01T00:00:00Z')],
  ])('gives back an entry with %s as it is', (_, text) => {
    expect(store(text)).toBe('stored');
    const entry = entriesOf(text)[0] as KeyEntry;
    const fingerprint = entryFingerprint(entry, secret, nodePlatform);
    const record = recordOf(entry, fingerprint);
    expect(find('alice')).toEqual(record);
    const terms = context.findByFingerprint(context.currentKeySet(), fingerprint);
    const { expiresSeconds, keyId, limit } = record;
    expect(terms).toEqual({ expiresSeconds, keyId, limit });
    expect(find('bob')).toBeUndefined();
  });

  // A reload while a large file is parsed: another worker may have read and stored the next one already.
  it('is not replaced by a content that another worker has seen replaced', () => {
    const [old, next] = [lineOf('revoked'), lineOf('alice')];
    writeFileSync(file, old);
    const read = context.readIfChanged(looking, Date.now() + 1000);
    writeFileSync(`${file}.new`, next);
    renameSync(`${file}.new`, file);
    context.readIfChanged(looking, Date.now() + 2000);
    const readNext = context.readIfChanged(looking, Date.now() + 3000);
    expect([read.text, readNext.text]).toEqual([old, next]);
    expect(store(next, () => context.isLatestRead('keys', readNext.digest))).toBe('stored');
    expect(store(old, () => context.isLatestRead('keys', read.digest))).toBe('outdated');
    expect(find('alice')).toBeDefined();
    expect(find('revoked')).toBeUndefined();
    expect(store(next), 'nothing is left locked').toBe('stored');
  });
});
