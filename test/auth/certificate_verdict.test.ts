// A client whose only credential is a TLS certificate.

import { describe, expect, it } from 'vitest';
import { certificateHash, subjectHash } from '../../auth/certificate_entry.js';
import { decideCertificate, endWith, type Entries, type PresentedCertificate } from '../../auth/certificate_verdict.js';
import type { KeyRecord } from '../../auth/key_record.js';
import { admit, refuse } from '../../auth/verdict.js';
import { nodePlatform } from '../../node/crypto.js';

const now = 1_800_000_000;
const record: KeyRecord = { subject: 'carol', scopes: ['chat'], expiresSeconds: null, keyId: 'id', limit: null };
const certificate = { thumbprint: 'T'.repeat(43), verifiedSubject: 'CN=carol', endSeconds: now + 100 };
const byFingerprint = certificateHash(certificate.thumbprint);
const bySubject = subjectHash('CN=carol', nodePlatform);

const entries = (records: { [hash: string]: Partial<KeyRecord> }): Entries => ({
  platform: nodePlatform,
  nowSeconds: now,
  hasKeys: () => true,
  findKey: (hash) => (records[hash] === undefined ? undefined : { ...record, ...records[hash] }),
});
const decide = (records: { [hash: string]: Partial<KeyRecord> }, changed: Partial<typeof certificate> = {}) =>
  decideCertificate({ ...certificate, ...changed }, entries(records));

describe('decideCertificate', () => {
  it('admits by the fingerprint, until the certificate ends', () => {
    expect(decide({ [byFingerprint]: {} })).toEqual(
      admit({
        method: 'certificate',
        subject: 'carol',
        issuer: '',
        scopes: ['chat'],
        expiresSeconds: now + 100,
        keyId: 'id',
        limit: null,
        budget: 'key carol',
      }),
    );
  });

  it('admits until the entry ends, where that is earlier', () => {
    const until = (expiresSeconds: number) => decide({ [byFingerprint]: { expiresSeconds } });
    expect(until(now + 50)).toMatchObject({ principal: { expiresSeconds: now + 50 } });
    expect(until(now + 150)).toMatchObject({ principal: { expiresSeconds: now + 100 } });
  });

  it('admits by the subject only where nginx has verified the certificate', () => {
    expect(decide({ [bySubject]: {} })).toMatchObject({ admitted: true });
    const unverified: PresentedCertificate = { ...certificate, verifiedSubject: undefined };
    expect(decideCertificate(unverified, entries({ [bySubject]: {} }))).toEqual(refuse('unknown_certificate'));
    expect(decideCertificate(unverified, entries({ [byFingerprint]: {} }))).toMatchObject({ admitted: true });
  });

  it('goes by the entry of the very certificate before that of its subject, also where that entry has ended', () => {
    const both = { [byFingerprint]: { subject: 'laptop' }, [bySubject]: {} };
    expect(decide(both)).toMatchObject({ principal: { subject: 'laptop' } });
    const ended = { [byFingerprint]: { subject: 'laptop', expiresSeconds: now }, [bySubject]: {} };
    expect(decide(ended)).toMatchObject({
      admitted: false,
      reason: 'expired_certificate',
      principal: { subject: 'laptop', method: 'certificate' },
    });
  });

  it('refuses what has no entry, what counts for nothing, and everybody while there are no keys', () => {
    expect(decide({})).toEqual(refuse('unknown_certificate'));
    expect(decide({ [certificate.thumbprint]: {}, 'CN=carol': {} })).toEqual(refuse('unknown_certificate'));
    const all = entries({ [byFingerprint]: {} });
    expect(decideCertificate({ reason: 'unusable_certificate' }, all)).toEqual(refuse('unusable_certificate'));
    expect(decideCertificate(certificate, { ...all, hasKeys: () => false })).toEqual(refuse('keys_unavailable'));
  });
});

describe('endWith', () => {
  const principal = { ...record, method: 'jwt' as const, issuer: '', budget: '' };
  const ending = (expiresSeconds: number | undefined) => admit({ ...principal, expiresSeconds });

  it('ends an admission with the certificate, and never later', () => {
    for (const expires of [undefined, now + 101])
      expect(endWith(certificate, ending(expires))).toEqual(ending(now + 100));
    for (const expires of [now + 99, now + 100]) expect(endWith(certificate, ending(expires))).toEqual(ending(expires));
  });

  it('leaves everything else as it is', () => {
    expect(endWith(undefined, ending(undefined))).toEqual(ending(undefined));
    expect(endWith({ reason: 'expired_certificate' }, ending(undefined))).toEqual(ending(undefined));
    expect(endWith(certificate, refuse('token_expired'))).toEqual(refuse('token_expired'));
  });
});
