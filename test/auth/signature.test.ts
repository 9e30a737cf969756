import { expect, it } from 'vitest';
import { hasSignatureForm } from '../../auth/jwt.js';
import type { Jwk } from '../../auth/algorithms.js';

const order = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex');
const lessOne = Buffer.from(order);
lessOne[31] = 0x50;
const one = Buffer.concat([Buffer.alloc(31), Buffer.from([1])]);
const zero = Buffer.alloc(32);
const p256: Jwk = { kty: 'EC', crv: 'P-256' };
const join = (r: Buffer, s: Buffer) => new Uint8Array(Buffer.concat([r, s]));

it.each([
  ['one and one', one, one, true],
  ['one less than the order', lessOne, lessOne, true],
  ['r zero', zero, one, false],
  ['s zero', one, zero, false],
  ['r the order', order, one, false],
  ['s the order', one, order, false],
  ['r all ones', Buffer.alloc(32, 255), one, false],
  ['33 and 31 bytes too few', one.subarray(1), one, false],
  ['a byte too many', Buffer.concat([one, one.subarray(0, 1)]), one, false],
])('judges an ECDSA signature with %s', (_, r, s, expected) => {
  expect(hasSignatureForm('ES256', p256, join(r, s))).toBe(expected);
});

it('asks for the exact length of an RSA modulus', () => {
  const rsa: Jwk = { kty: 'RSA', modulusBytes: 256 };
  expect([255, 256, 257, 0].map((length) => hasSignatureForm('RS256', rsa, new Uint8Array(length)))).toEqual([
    false,
    true,
    false,
    false,
  ]);
});

it('asks for 64 bytes of an Ed25519 signature', () => {
  expect(
    [63, 64, 65].map((length) => hasSignatureForm('EdDSA', { kty: 'OKP', crv: 'Ed25519' }, new Uint8Array(length))),
  ).toEqual([false, true, false]);
});
