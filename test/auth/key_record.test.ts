// An admin whose key expires, and a sidecar that answers with something else than a record.

import { describe, expect, it } from 'vitest';
import {
  type KeyEntry,
  checkEntry,
  decideRecord,
  readRecord,
  recordOf,
  type KeyRecord,
  entryFingerprint,
  entrySubject,
} from '../../auth/key_record.js';
import { nodePlatform } from '../../node/crypto.js';
import { createHmac } from 'node:crypto';

const now = 1_800_000_000;
const entry: KeyEntry = {
  kind: 'bcrypt',
  name: 'alice',
  hash: '$2b$10$secret',
  id: 'abcd1234',
  expiresSeconds: now + 60,
  scopes: ['models', 'chat'],
  limit: { intervalMs: 1000, burst: 20 },
  text: 'alice:$2b$10$secret',
  line: 7,
};
const fingerprintOf = (one: KeyEntry) => entryFingerprint(one, 'secret', nodePlatform);
const record = recordOf(entry, fingerprintOf(entry));

// What nginx keeps in shared memory, and what the sidecar sends.
const sent = (one: unknown): unknown => JSON.parse(JSON.stringify(one));

describe('recordOf', () => {
  it('has every member, and nothing of the secret', () => {
    expect(record).toEqual({
      subject: 'alice',
      scopes: ['models', 'chat'],
      expiresSeconds: now + 60,
      keyId: 'abcd1234',
      limit: { intervalMs: 1000, burst: 20 },
    });
    expect(JSON.stringify(record)).not.toContain('secret');
  });

  it('names an entry without name and id by its fingerprint', () => {
    const nameless = { ...entry, name: '', id: '' };
    const name = `key-${fingerprintOf(nameless).slice(0, 8)}`;
    expect(recordOf(nameless, fingerprintOf(nameless))).toMatchObject({ subject: name, keyId: name });
  });
});

describe('readRecord', () => {
  it.each([
    ['an entry with all there is', entry],
    ['an entry that never ends', { ...entry, expiresSeconds: null }],
    ['an entry that ends at once', { ...entry, expiresSeconds: 0 }],
    ['an entry without scopes and name', { ...entry, scopes: [], name: '' }],
    ['an entry without a limit', { ...entry, limit: null }],
  ])('reads every member of %s as it was sent', (_, one: KeyEntry) => {
    const made = recordOf(one, fingerprintOf(one));
    expect(readRecord(sent(made))).toStrictEqual(made);
    expect(Object.keys(sent(made) as object)).toEqual(Object.keys(made));
  });

  const broken: [string, unknown][] = [
    ['null', null],
    ['an array', [record]],
    ['a text', JSON.stringify(record)],
    ...(Object.keys(record) as (keyof KeyRecord)[]).flatMap((member): [string, unknown][] => [
      [`one without ${member}`, { ...record, [member]: undefined }],
      [`one whose ${member} is an object`, { ...record, [member]: {} }],
    ]),
    ['one whose end is a text', { ...record, expiresSeconds: String(now) }],
    ['one whose scopes are numbers', { ...record, scopes: [1] }],
    ['one whose limit has a text', { ...record, limit: { intervalMs: '1000', burst: 20 } }],
    ['one whose limit has no time', { ...record, limit: { intervalMs: 0, burst: 20 } }],
    ['one whose key id is no header value', { ...record, keyId: 'a\nb' }],
    ['one whose subject is no header value', { ...record, subject: 'a\nb' }],
  ];
  it.each(broken)('takes no record from %s', (_, value) => {
    expect(readRecord(value === null ? null : sent(value))).toBeUndefined();
  });

  it('encodes a subject that headers do not hold', () => {
    expect(readRecord({ ...record, subject: 'a b' })?.subject).toBe('a%20b');
  });
});

describe('checkEntry', () => {
  it.each([
    [null, undefined],
    [now + 1, undefined],
    [now, 'expired_key'],
    [0, 'expired_key'],
  ] as const)('says of an entry that ends at %s: %s', (expiresSeconds, reason) => {
    expect(checkEntry({ expiresSeconds }, now)).toBe(reason);
  });
});

describe('decideRecord', () => {
  it('admits as the entry says', () => {
    expect(decideRecord(record, now)).toEqual({
      admitted: true,
      principal: {
        method: 'api_key',
        subject: 'alice',
        issuer: '',
        scopes: ['models', 'chat'],
        expiresSeconds: now + 60,
        keyId: 'abcd1234',
        limit: { intervalMs: 1000, burst: 20 },
        budget: 'key alice 1000 20',
      },
    });
    const endless = decideRecord({ ...record, expiresSeconds: null }, now);
    expect(endless).toMatchObject({ admitted: true, principal: { expiresSeconds: undefined } });
  });

  it('refuses an entry that has ended, and names it', () => {
    const principal = { subject: 'alice', keyId: 'abcd1234', budget: 'key alice 1000 20' };
    expect(decideRecord(record, now + 60)).toMatchObject({ admitted: false, reason: 'expired_key', principal });
  });
});

const plain: KeyEntry = {
  kind: 'plaintext',
  name: '',
  hash: 'h',
  id: '',
  expiresSeconds: null,
  scopes: [],
  limit: null,
  text: 'the line',
  line: 1,
};

it('fingerprints an entry with 16 bytes of HMAC-SHA-256 of its text', () => {
  const lastCharacters = new Set<string>();
  for (let i = 0; i < 500; i++) {
    const text = `the line ${i}`;
    const mac = createHmac('sha256', 'secret').update(text).digest();
    lastCharacters.add(mac.toString('base64url').charAt(21));
    expect(entryFingerprint({ ...plain, text }, 'secret', nodePlatform)).toBe(
      mac.subarray(0, 16).toString('base64url'),
    );
  }
  expect(lastCharacters.size).toBe(64);
});

it('names an entry by its name, or by eight characters of its fingerprint', () => {
  expect(entrySubject({ ...plain, name: 'alice' }, 'abcdefghijkl')).toBe('alice');
  expect(entrySubject(plain, 'abcdefghijkl')).toBe('key-abcdefgh');
});
