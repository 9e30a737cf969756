// An admin who writes the certificates of clients into the key file.

import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { certificateHash, subjectHash } from '../../auth/certificate_entry.js';
import { parseKeyFile } from '../../auth/key_file.js';
import { nodePlatform } from '../../node/crypto.js';

const digest = createHash('sha256').update('a certificate').digest();
const fingerprint = digest.toString('base64url');
const hex = digest.toString('hex');
const withColons = hex.toUpperCase().replace(/(..)(?!$)/g, '$1:');

const parse = (...lines: string[]) => parseKeyFile(lines.join('\n'), nodePlatform);
const problemOf = (line: string) => parse(line).problems.map(({ problem }) => problem)[0];

describe('an entry of a certificate', () => {
  it('has a fingerprint in base64url, and every attribute of other entries', () => {
    const file = parse(`carol:$x509$${fingerprint} id=Ab3dE6gH scope=models expires=2027-01-31 rate=60/m burst=2`);
    expect([file.problems, file.warnings]).toEqual([[], []]);
    expect(file.entries).toMatchObject([
      { kind: 'x509', name: 'carol', id: 'Ab3dE6gH', scopes: ['models'], limit: { burst: 2 } },
    ]);
    expect(file.entries[0]?.hash).toBe(certificateHash(fingerprint));
  });

  it.each([hex, hex.toUpperCase(), withColons, withColons.toLowerCase()])(
    'may have it in hex (%s), and says so',
    (text) => {
      const file = parse(`carol:$x509$${text} scope=models`);
      expect(file.entries.map(({ hash }) => hash)).toEqual([certificateHash(fingerprint)]);
      expect(file.warnings).toEqual([{ line: 1, problem: expect.stringContaining('in hex') as string }]);
      expect(JSON.stringify(file.warnings)).not.toContain(text);
    },
  );

  it('needs no name', () => {
    expect(parse(`$x509$${fingerprint}`, `$x509-subject$CN=x`).entries.map(({ name }) => name)).toEqual(['', '']);
    expect(parse(`$x509$${withColons}`).entries).toHaveLength(1);
  });

  it.each([
    ['', '43 characters'],
    [hex.slice(0, 40), 'SHA-1'],
    [withColons.slice(0, 59), 'SHA-1'],
    [hex.slice(1), '43 characters'],
    [hex + '00', '43 characters'],
    [withColons.replace(':', ''), '43 characters'],
    [withColons + ':', '43 characters'],
    [fingerprint.slice(1), '43 characters'],
    [fingerprint + '=', '43 characters'],
    [fingerprint.slice(0, 42) + 'B', 'base64url of 32 bytes'],
    ['+' + fingerprint.slice(1), 'base64url of 32 bytes'],
    ['CN=carol', '43 characters'],
  ])('is not used with the fingerprint %j', (text, said) => {
    expect(problemOf(`carol:$x509$${text}`)).toContain(said);
  });

  it('of a subject has the text of nginx, with spaces and percent signs encoded', () => {
    const file = parse(
      'carol:$x509-subject$CN=carol%20jones+OU=5%25,O=A\\,B$ scope=models',
      'dan:$x509-subject$2.5.4.3=#0C02',
    );
    expect(file.problems).toEqual([]);
    expect(file.entries.map(({ kind, hash }) => [kind, hash])).toEqual([
      ['x509-subject', subjectHash('CN=carol jones+OU=5%,O=A\\,B$', nodePlatform)],
      ['x509-subject', subjectHash('2.5.4.3=#0C02', nodePlatform)],
    ]);
  });

  it.each(['', 'carol', '=x', 'CN=a%', 'CN=a%2', 'CN=a%zz', 'CN=a%00', 'CN=a%7F', 'CN=a%C3%A9', 'C\tN=a'])(
    'is not used with the subject %j',
    (subject) => {
      expect(problemOf(`carol:$x509-subject$${subject}`)).toBeDefined();
    },
  );

  it('is not used with a subject of more than 1,024 characters', () => {
    expect(parse(`carol:$x509-subject$CN=${'a'.repeat(1021)}`).entries).toHaveLength(1);
    expect(problemOf(`carol:$x509-subject$CN=${'a'.repeat(1022)}`)).toContain('1024');
  });

  it('counts once, whichever way its fingerprint is written', () => {
    const file = parse(
      `carol:$x509$${fingerprint}`,
      `dan:$x509$${hex}`,
      'x:$x509-subject$CN=a',
      'y:$x509-subject$CN=%61',
    );
    expect(file.entries.map(({ name }) => name)).toEqual(['carol', 'x']);
    expect(file.problems.map(({ line }) => line)).toEqual([2, 4]);
  });

  it('is no API key: neither the certificate nor the subject, sent as one, has the hash of the entry', () => {
    const hashes = parse('carol:$x509-subject$CN=carol', `dan:$x509$${fingerprint}`).entries.map(({ hash }) => hash);
    for (const sent of ['CN=carol', 'a certificate', fingerprint, ...hashes])
      expect(hashes).not.toContain(nodePlatform.sha256(sent));
    const keys = parse(`bob:$sha256$${fingerprint}`, `dan:$x509$${fingerprint}`);
    expect(keys.entries.map(({ kind }) => kind)).toEqual(['sha256', 'x509']);
  });
});
