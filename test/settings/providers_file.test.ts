// An operator whose providers file is missing, damaged, or at odds with the other settings.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readProviderLines, readProvidersFile } from '../../settings/providers_file.js';

const dir = mkdtempSync(join(tmpdir(), 'keygate-providers-'));
const file = join(dir, 'providers.json');
const fifo = join(dir, 'fifo');
execFileSync('mkfifo', [fifo]);

afterAll(() => rmSync(dir, { recursive: true, force: true }));

const corp = { name: 'corp', issuer: ['https://a.example', 'b'], audience: 'any', jwks: { file: 'corp.json' } };
const pool = { name: 'pool', issuer: 'https://pool.example', audience: ['llm'], jwks: 'discover' };
const textOf = (...providers: object[]) => JSON.stringify({ providers });
const write = (content: string | Buffer) => {
  writeFileSync(file, content);
  return file;
};
const settings = { jwtIssuer: undefined as string | undefined, mintIssuer: 'keygate' };
const read = (content: string | Buffer, changed: Partial<typeof settings> = {}) =>
  readProvidersFile({ ...settings, ...changed, jwtProviders: write(content) });

describe('readProvidersFile', () => {
  it('has no providers where there is no file', () => {
    expect(readProvidersFile({ ...settings, jwtProviders: undefined })).toEqual({ providers: [] });
  });

  it('reads the providers, also behind a byte order mark', () => {
    for (const text of [textOf(corp, pool), `\ufeff${textOf(corp, pool)}`])
      expect(read(text)).toMatchObject({ providers: [{ name: 'corp' }, { name: 'pool' }] });
  });

  it('reads the file anew each time', () => {
    read(textOf(corp));
    expect(read(textOf(pool))).toMatchObject({ providers: [{ name: 'pool' }] });
    expect(read('{')).toHaveProperty('faults');
  });

  it.each<[string, string]>([
    ['is missing', join(dir, 'missing')],
    ['stands below a file', join(dir, 'fifo', 'x')],
    ['is a directory', dir],
    ['is a FIFO', fifo],
    ['is a device without end', '/dev/zero'],
  ])('has one fault, and no provider, where the file %s', (_, path) => {
    const faults = [expect.stringMatching(/^(?:ENOENT|ENOTDIR|not a regular file)$/)];
    expect(readProvidersFile({ ...settings, jwtProviders: path })).toEqual({ faults, isTaken: false });
  });

  it.each<[string, string | Buffer, string]>([
    ['nothing', '', 'the file: expected JSON: '],
    ['half a file', textOf(corp, pool).slice(0, -20), 'the file: expected JSON: '],
    ['NUL bytes at its end', Buffer.concat([Buffer.from(textOf(corp)), Buffer.alloc(9)]), 'NUL bytes'],
    ['UTF-16', Buffer.from(`\ufeff${textOf(corp)}`, 'utf16le'), 'UTF-16'],
    ['Latin-1', Buffer.from(textOf({ ...corp, subject: 'é' }), 'latin1'), 'not UTF-8'],
    ['more than a megabyte', `${' '.repeat(1048576)}{}`, 'larger than 1 MB'],
    ['more characters than it may have', `${textOf(corp)}${' '.repeat(262144)}`, 'too long'],
    ['an issuer twice', textOf(corp, { ...corp, name: 'pool', issuer: 'b' }), 'an issuer that stands nowhere else'],
    ['the issuer of JWT_ISSUER in a file that has other faults', textOf({ ...corp, leeway: -1 }), 'leeway'],
  ])('has one fault, and no provider, where the file holds %s', (_, content, said) => {
    const faults = [expect.stringContaining(said)];
    expect(read(content, { jwtIssuer: 'b' })).toEqual({ faults, isTaken: false });
  });

  it.each([
    ['MINT_ISSUER', { mintIssuer: 'b' }, [1]],
    ['JWT_ISSUER', { jwtIssuer: 'b' }, [1]],
    ['JWT_ISSUER, among others', { jwtIssuer: 'x, https://a.example ,b' }, [0, 1]],
    ['MINT_ISSUER and JWT_ISSUER', { mintIssuer: 'b', jwtIssuer: 'b' }, [1]],
  ])('lets no provider have an issuer of %s', (names, changed, places) => {
    const setting = names.split(',')[0];
    expect(read(textOf(pool, corp), changed)).toEqual({
      faults: places.map((i) => `providers[1].issuer[${i}]: expected another issuer than that of ${setting}`),
      isTaken: true,
    });
  });

  it.each([{ jwtIssuer: 'any' }, { jwtIssuer: '' }, { jwtIssuer: undefined }, { jwtIssuer: 'B,https://a.example/' }])(
    'takes no issuer for the one of %j',
    (changed) => {
      const issuer = ['https://a.example', 'a', 'n', 'b'];
      expect(read(textOf({ ...corp, issuer }), changed)).toHaveProperty('providers');
    },
  );
});

describe('readProviderLines', () => {
  const variables = (path: string | undefined) => readProviderLines({ ...settings, jwtProviders: path }).claims;

  it('names each variable once, in the order of the file', () => {
    const providers = [
      { ...corp, claims: ['email', 'tenant.id'] },
      { ...pool, claims: ['https://x/Level', 'email'] },
    ];
    expect(variables(write(textOf(...providers)))).toEqual([
      'keygate_claim_email',
      'keygate_claim_tenant_id',
      'keygate_claim_https___x_level',
    ]);
  });

  it('names the headers of all providers, in lower case and order', () => {
    const path = write(textOf({ ...corp, header: 'X-Two' }, { ...pool, header: 'X-One' }));
    expect(readProviderLines({ ...settings, jwtProviders: path }).providerHeaders).toEqual(['x-one', 'x-two']);
  });

  it('names none without a file, without claims, and while the file can not be used', () => {
    expect(variables(undefined)).toEqual([]);
    expect(variables(write(textOf(corp)))).toEqual([]);
    expect(variables(write(textOf({ ...corp, claims: ['email'], leeway: -1 })))).toEqual([]);
    expect(variables(join(dir, 'missing'))).toEqual([]);
  });
});
