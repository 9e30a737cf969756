// A client with a TLS certificate, and what nginx tells of the certificate.

import { X509Certificate } from 'node:crypto';
import { generate } from 'selfsigned';
import { beforeAll, describe, expect, it } from 'vitest';
import { readCertificate } from '../../auth/client_certificate.js';
import { nodePlatform } from '../../node/crypto.js';

const now = Date.UTC(2026, 10, 28) / 1000;
let pem = '';
let escaped = '';

beforeAll(async () => {
  pem = (await generate([{ name: 'commonName', value: 'carol' }], { keyType: 'ec' })).cert;
  escaped = encodeURIComponent(pem.replaceAll('\r\n', '\n').trimEnd() + '\n');
});

const told = (changed: { verify?: string; end?: string; subject?: string; pem?: string } = {}) => {
  const { verify = 'SUCCESS', end = 'Jan 31 10:20:30 2027 GMT', subject = 'CN=carol', pem: one = escaped } = changed;
  return [verify, end, subject, one].join('\t');
};
const read = (text: string) => readCertificate(text, now, nodePlatform);

describe('readCertificate', () => {
  it('reads the thumbprint of RFC 8705, the subject and the end', () => {
    const digest = Buffer.from(new X509Certificate(pem).fingerprint256.replaceAll(':', ''), 'hex');
    expect(read(told())).toEqual({
      thumbprint: digest.toString('base64url'),
      verifiedSubject: 'CN=carol',
      endSeconds: Date.UTC(2027, 0, 31, 10, 20, 30) / 1000,
    });
  });

  it.each(['FAILED:self-signed certificate', 'FAILED:SUCCESS', 'success', 'NONE', '', 'SUCCESS '])(
    'takes no subject that nginx has not verified: %j',
    (verify) => {
      expect(read(told({ verify }))).toMatchObject({ verifiedSubject: undefined });
    },
  );

  it('takes no empty subject', () => {
    expect(read(told({ subject: '' }))).toMatchObject({ verifiedSubject: undefined });
  });

  it.each([
    ['Nov  8 00:00:00 2027 GMT', Date.UTC(2027, 10, 8) / 1000],
    ['Dec 31 23:59:59 9999 GMT', Date.UTC(9999, 11, 31, 23, 59, 59) / 1000],
  ])('reads the end %s', (end, endSeconds) => {
    expect(read(told({ end }))).toMatchObject({ endSeconds });
  });

  it('is none from the second of its end', () => {
    expect(read(told({ end: 'Nov 28 00:00:01 2026 GMT' }))).toHaveProperty('thumbprint');
    for (const end of ['Nov 28 00:00:00 2026 GMT', 'Jan  1 00:00:00 1970 GMT'])
      expect(read(told({ end }))).toEqual({ reason: 'expired_certificate' });
  });

  it.each([
    '',
    'Bad time value',
    'Nov 28 00:00:00 2026',
    'Nov 8 00:00:00 2027 GMT',
    'nov 28 00:00:00 2027 GMT',
    'anF 28 00:00:00 2027 GMT',
    'Nov 28 00:00:00 2027 CET',
    'Nov 28 00:00:00.5 2027 GMT',
    'Nov 28 00:00:00 12027 GMT',
  ])('is unusable with the end %j', (end) => {
    expect(read(told({ end }))).toEqual({ reason: 'unusable_certificate' });
  });

  it('is unusable where nginx tells another thing', () => {
    const lines = escaped.split('%0A');
    const without = (index: number) => lines.filter((_, i) => i !== index).join('%0A');
    const inBody = (text: string) =>
      [lines[0], text + (lines[1] ?? '').slice(text.length), ...lines.slice(2)].join('%0A');
    const bodies = ['', pem, escaped + escaped, escaped.slice(0, -3), without(0), without(lines.length - 2)];
    const damaged = ['!', '%2', '%00', ' ', 'é', '%3D'].map(inBody);
    for (const one of [...bodies, ...damaged, '-----BEGIN%20CERTIFICATE-----%0A'])
      expect(read(told({ pem: one })), one).toEqual({ reason: 'unusable_certificate' });
    for (const text of ['', 'SUCCESS', '\t\t\t', told() + '\t', told().replace('\t', ' '), told({ subject: 'a\tb' })])
      expect(read(text), text).toEqual({ reason: 'unusable_certificate' });
  });

  it('is unusable where it is longer than nginx passes on', () => {
    expect(read(told({ subject: 'a'.repeat(30000) }))).toHaveProperty('thumbprint');
    expect(read(told({ subject: 'a'.repeat(32768) }))).toEqual({ reason: 'unusable_certificate' });
  });
});
