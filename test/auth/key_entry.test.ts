import { createHmac } from 'node:crypto';
import { expect, it } from 'vitest';
import { entryFingerprint, entrySubject, type KeyEntry } from '../../auth/key_entry.js';
import { nodePlatform } from '../../verifier/platform.js';

const entry: KeyEntry = { kind: 'plaintext', name: '', hash: 'h', id: '', expiresSeconds: undefined, scopes: [], text: 'the line', line: 1 }; // prettier-ignore

it('fingerprints an entry with 16 bytes of HMAC-SHA-256 of its text', () => {
  const expected = createHmac('sha256', 'secret')
    .update('the line')
    .digest()
    .subarray(0, 16)
    .toString('base64url');
  expect(entryFingerprint(entry, 'secret', nodePlatform)).toBe(expected);
  expect(entryFingerprint({ ...entry, text: 'another line' }, 'secret', nodePlatform)).not.toBe(expected);
});

it('names an entry by its name, or by eight characters of its fingerprint', () => {
  expect(entrySubject({ ...entry, name: 'alice' }, 'abcdefghijkl')).toBe('alice');
  expect(entrySubject(entry, 'abcdefghijkl')).toBe('key-abcdefgh');
});
