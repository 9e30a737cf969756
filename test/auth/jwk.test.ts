// An issuer whose key set holds keys that can not be used.

import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Jwk as UsableJwk } from '../../auth/algorithms.js';
import { fitsAlgorithm, parseJwks, type Jwks } from '../../auth/jwk.js';
import { nodePlatform } from '../../node/crypto.js';

type Jwk = { [name: string]: unknown };
const rsa = (bits: number) =>
  generateKeyPairSync('rsa', { modulusLength: bits }).publicKey.export({ format: 'jwk' }) as Jwk;
const ec = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve }).publicKey.export({ format: 'jwk' }) as Jwk;
const ed = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' }) as Jwk;
const rsa2048 = rsa(2048);
const p256 = ec('P-256');

const parse = (...keys: unknown[]) => parseJwks(JSON.stringify({ keys }), nodePlatform) as Jwks;

describe('parseJwks', () => {
  it('takes RSA, the three curves and Ed25519', () => {
    const jwks = parse(rsa2048, p256, ec('P-384'), ec('P-521'), ed);
    expect(jwks.problems).toEqual([]);
    expect(jwks.keys.map((key) => key.crv ?? key.modulusBytes)).toEqual([256, 'P-256', 'P-384', 'P-521', 'Ed25519']);
  });

  it('builds keys anew, without private and unknown members, and says that it found private ones', () => {
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
    const jwks = parse({ ...pair, kid: 'a', x5u: 'https://evil.example', key_ops: ['sign'] });
    expect(jwks.keys).toEqual([{ kty: 'EC', crv: 'P-256', x: pair.x, y: pair.y, kid: 'a' }]);
    expect(jwks.warnings).toEqual([expect.objectContaining({ index: 0, kid: 'a' })]);
    expect(JSON.stringify(jwks)).not.toContain(pair.d);
  });

  it.each([
    ['RSA of 1024 bits', rsa(1024)],
    ['RSA of 2047 bits', { ...rsa2048, n: Buffer.from([0x7f, ...Buffer.alloc(255, 1)]).toString('base64url') }],
    ['RSA of over 4096 bits', { ...rsa2048, n: Buffer.alloc(513, 255).toString('base64url') }],
    ['RSA with exponent 1', { ...rsa2048, e: 'AQ' }],
    ['RSA with exponent 0', { ...rsa2048, e: 'AA' }],
    ['RSA with an even exponent', { ...rsa2048, e: 'AQAA' }],
    ['RSA with an empty exponent', { ...rsa2048, e: '' }],
    ['RSA with n that is no base64url', { ...rsa2048, n: '!!!!' }],
    ['RSA with n as a number', { ...rsa2048, n: 5 }],
    ['RSA with padding', { ...rsa2048, e: 'AQAB=' }],
    ['an oct key', { kty: 'oct', k: 'c2VjcmV0' }],
    ['use enc', { ...rsa2048, use: 'enc' }],
    ['use as an array', { ...rsa2048, use: ['sig'] }],
    ['key_ops without verify', { ...p256, key_ops: ['encrypt'] }],
    ['key_ops that is empty', { ...p256, key_ops: [] }],
    ['key_ops as text', { ...p256, key_ops: 'verify' }],
    ['alg that does not fit kty', { ...rsa2048, alg: 'ES256' }],
    ['alg that does not fit crv', { ...p256, alg: 'ES384' }],
    ['alg HS256', { ...rsa2048, alg: 'HS256' }],
    ['alg none', { ...rsa2048, alg: 'none' }],
    ['an EC point that is too short', { ...p256, x: 'AAAA' }],
    ['a curve of another kind', { ...p256, crv: 'secp256k1' }],
    ['a curve named constructor', { ...p256, crv: 'constructor' }],
    ['Ed448', { kty: 'OKP', crv: 'Ed448', x: ed['x'] }],
    ['X25519', { kty: 'OKP', crv: 'X25519', x: ed['x'] }],
    ['an unknown kty', { kty: 'XYZ' }],
    ['a kid that is a number', { ...p256, kid: 7 }],
    ['a kid that is empty', { ...p256, kid: '' }],
    ['null', null],
    ['an array', []],
  ])('reports %s and uses the others', (_, key) => {
    const jwks = parse(p256, key);
    expect(jwks.keys).toHaveLength(1);
    expect(jwks.problems).toEqual([expect.objectContaining({ index: 1, problem: expect.any(String) as string })]);
  });

  it('uses none of two different keys under one kid that fit one algorithm', () => {
    const other = { ...rsa2048, n: `${String(rsa2048['n']).slice(0, -4)}AAAA` };
    for (const [one, two] of [
      [{}, {}],
      [{ alg: 'RS256' }, { alg: 'RS256' }],
      [{ alg: 'RS256' }, {}],
    ]) {
      const jwks = parse({ ...rsa2048, kid: 'a', ...one }, { ...other, kid: 'a', ...two }, { ...ed, kid: 'b' });
      expect(jwks.keys.map((key) => key.kid)).toEqual(['b']);
      expect(jwks.problems.map((problem) => problem.index)).toEqual([0, 1]);
    }
    const apart = parse({ ...rsa2048, kid: 'a', alg: 'RS256' }, { ...other, kid: 'a', alg: 'PS256' });
    expect(apart.problems).toEqual([]);
  });

  it('uses a key that is listed for several algorithms, twice, or beside a key that is no signing key', () => {
    const each = ['RS256', 'RS384', 'RS512'].map((alg) => ({ ...rsa2048, kid: 'a', alg }));
    expect(parse(...each).keys.map((key) => key.alg)).toEqual(['RS256', 'RS384', 'RS512']);
    expect(parse({ ...p256, kid: 'a' }, { ...p256, kid: 'a' })).toMatchObject({ keys: [{ kid: 'a' }], problems: [] });
    expect(parse(p256, p256).keys).toHaveLength(1);
    const encrypting = { ...rsa2048, n: `${String(rsa2048['n']).slice(0, -4)}AAAA`, kid: 'a', use: 'enc' };
    expect(parse(encrypting, { ...rsa2048, kid: 'a' })).toMatchObject({
      keys: [{ kid: 'a' }],
      problems: [{ index: 0 }],
    });
    expect(parse({ ...p256, kid: 'a' }, { ...rsa2048, kid: 'a' }).keys).toHaveLength(2);
  });

  it('takes the zero byte away that Java puts before a modulus', () => {
    const bytes = Buffer.from(String(rsa2048['n']), 'base64url');
    const padded = { ...rsa2048, n: Buffer.concat([Buffer.alloc(1), bytes]).toString('base64url') };
    expect(parse(padded).keys).toEqual(parse(rsa2048).keys);
  });

  it('knows the name that RFC 9864 gives to EdDSA with Ed25519', () => {
    const [key] = parse({ ...ed, alg: 'Ed25519' }).keys as [UsableJwk];
    expect(key.alg).toBe('Ed25519');
    expect(fitsAlgorithm(key, 'EdDSA')).toBe(true);
    const [plain] = parse({ ...ed, alg: 'EdDSA' }).keys as [UsableJwk];
    expect(fitsAlgorithm(plain, 'Ed25519')).toBe(true);
    expect(fitsAlgorithm(plain, 'ES256')).toBe(false);
  });

  it('makes kids fit for a log', () => {
    expect(parse({ kty: 'oct', kid: 'a\r\nb\u2028' }).problems[0]?.kid).toBe('a??b?');
  });

  it.each(['', 'null', '[]', '{}', '{"keys":{}}', '{"keys":null}', '<html>', '{"keys":[}'])('faults %j', (text) => {
    expect(parseJwks(text, nodePlatform)).toHaveProperty('fault');
  });
});

describe('fitsAlgorithm', () => {
  it('lets the key decide the family, the curve and its own alg', () => {
    const [plain] = parse(rsa2048).keys;
    const [bound] = parse({ ...rsa2048, alg: 'PS256' }).keys;
    const [curve] = parse(p256).keys;
    if (plain === undefined || bound === undefined || curve === undefined) throw new Error('no keys');
    expect(fitsAlgorithm(plain, 'RS256') && fitsAlgorithm(plain, 'PS512')).toBe(true);
    expect(fitsAlgorithm(plain, 'ES256')).toBe(false);
    expect(fitsAlgorithm(bound, 'PS256')).toBe(true);
    expect(fitsAlgorithm(bound, 'RS256')).toBe(false);
    expect(fitsAlgorithm(curve, 'ES256')).toBe(true);
    expect(fitsAlgorithm(curve, 'ES384')).toBe(false);
  });
});
