// An attacker who sends what only looks like a token, or a signature of the wrong form.

import { describe, expect, it } from 'vitest';
import { parseToken, hasSignatureForm } from '../../auth/jwt.js';
import { nodePlatform } from '../../node/crypto.js';
import type { Jwk } from '../../auth/algorithms.js';

const encode = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const token = (header: unknown, payload: unknown = { sub: 'a' }) => `${encode(header)}.${encode(payload)}.AAAA`;
const parse = (text: string) => parseToken(text, nodePlatform);

describe('parseToken', () => {
  it('takes a token apart', () => {
    const text = token({ alg: 'RS256', kid: 'k', typ: 'JWT', jku: 'https://evil.example', jwk: {}, x5c: [] });
    expect(parse(text)).toEqual({
      algorithm: 'RS256',
      kid: 'k',
      unverifiedClaims: { sub: 'a' },
      signedText: text.slice(0, -5),
      signature: Buffer.alloc(3),
    });
  });

  it.each(['JWT', 'jwt', 'at+jwt', 'AT+JWT', 'application/jwt', 'Application/at+JWT'])('accepts typ %s', (typ) => {
    expect(parse(token({ alg: 'RS256', typ }))).not.toHaveProperty('reason');
  });

  it.each([
    ['token_too_long', `${encode({ alg: 'RS256' })}.${'A'.repeat(12288)}.AAAA`],
    ['token_not_three_parts', 'a.b'],
    ['token_not_three_parts', 'a.b.c.d'],
    ['token_not_three_parts', '..'],
    ['token_not_three_parts', `${encode({ alg: 'RS256' })}..AAAA`],
    ['token_not_three_parts', `${encode({ alg: 'none' })}.${encode({})}.`],
    ['token_bad_base64url', `${token({ alg: 'RS256' })}=`],
    ['token_bad_base64url', `${token({ alg: 'RS256' })}!`],
    ['token_bad_base64url', `${token({ alg: 'RS256' })}B`],
    ['token_bad_base64url', ` ${token({ alg: 'RS256' })}`],
    ['token_bad_base64url', `a+b/.${encode({})}.AAAA`],
    ['token_header_not_json', `${encode('nonsense')}.${encode({})}.AAAA`],
    ['token_header_not_json', `${encode([])}.${encode({})}.AAAA`],
    ['token_header_not_json', `${encode('null')}.${encode({})}.AAAA`],
    ['token_header_not_json', `${Buffer.from([0xff, 0xfe]).toString('base64url')}.${encode({})}.AAAA`],
    ['token_header_not_json', `${Buffer.from('\ufeff{"alg":"RS256"}').toString('base64url')}.${encode({})}.AAAA`],
    ['token_payload_not_json', token({ alg: 'RS256' }, '"text"')],
    ['token_payload_not_json', token({ alg: 'RS256' }, '{"a":1')],
    ['token_nested_too_deep', token({ alg: 'RS256' }, `{"a":${'['.repeat(40)}${']'.repeat(40)}}`)],
    ['token_encrypted', token({ alg: 'RSA-OAEP', enc: 'A128GCM' })],
    ['token_crit', token({ alg: 'RS256', crit: ['exp'] })],
    ['token_crit', token({ alg: 'RS256', crit: [] })],
    ['token_header_invalid', token({ alg: 'RS256', b64: true })],
    ['token_header_invalid', token({ alg: 'RS256', zip: 'DEF' })],
    ['token_header_invalid', token({ alg: 'RS256', kid: 5 })],
    ['token_header_invalid', token({ alg: 'RS256', kid: '' })],
    ['token_header_invalid', token({ alg: 'RS256', kid: 'k'.repeat(513) })],
    ['token_algorithm', token({})],
    ['token_algorithm', token({ alg: 'none' })],
    ['token_algorithm', token({ alg: 'nOnE' })],
    ['token_algorithm', token({ alg: 'HS256' })],
    ['token_algorithm', token({ alg: 'rs256' })],
    ['token_algorithm', token({ alg: ['RS256'] })],
    ['token_algorithm', token({ alg: 'toString' })],
    ['token_algorithm', token('{"__proto__":{"alg":"RS256"}}')],
    ['token_typ', token({ alg: 'RS256', typ: 'dpop+jwt' })],
    ['token_typ', token({ alg: 'RS256', typ: 1 })],
    ['token_typ', token({ alg: 'RS256', typ: '' })],
  ])('says %s', (reason, text) => {
    expect(parse(text)).toEqual({ reason });
  });
});

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
