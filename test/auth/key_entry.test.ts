import { createHmac } from 'node:crypto';
import { expect, it } from 'vitest';
import { entryFingerprint, entrySubject, type KeyEntry } from '../../auth/key_record.js';
import { nodePlatform } from '../../node/crypto.js';

const entry: KeyEntry = {
  kind: 'plaintext',
  name: '',
  hash: 'h',
  id: '',
  expiresSeconds: null,
  scopes: [],
  text: 'the line',
  line: 1,
};

it('fingerprints an entry with 16 bytes of HMAC-SHA-256 of its text', () => {
  const lastCharacters = new Set<string>();
  for (let i = 0; i < 500; i++) {
    const text = `the line ${i}`;
    const mac = createHmac('sha256', 'secret').update(text).digest();
    lastCharacters.add(mac.toString('base64url').charAt(21));
    expect(entryFingerprint({ ...entry, text }, 'secret', nodePlatform)).toBe(
      mac.subarray(0, 16).toString('base64url'),
    );
  }
  expect(lastCharacters.size).toBe(64);
});

it('names an entry by its name, or by eight characters of its fingerprint', () => {
  expect(entrySubject({ ...entry, name: 'alice' }, 'abcdefghijkl')).toBe('alice');
  expect(entrySubject(entry, 'abcdefghijkl')).toBe('key-abcdefgh');
});
