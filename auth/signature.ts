// Checks of a signature's form before any cryptography: exact lengths, and for ECDSA 0 < r, s < n
// (RFC 7518 sections 3.3 and 3.4, FIPS 186-5 section 6.4.2).

import { algorithms, type SignatureAlgorithm } from './algorithms.js';
import type { Jwk } from './public_jwk.js';

/** The order n of each curve, in hexadecimal (SEC 2). */
const orders: { [crv: string]: string } = {
  'P-256': 'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551',
  'P-384': 'ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973',
  'P-521':
    '01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409',
};

/** Whether a signature could be one of this key at all. */
export function hasSignatureForm(algorithm: SignatureAlgorithm, jwk: Jwk, signature: Uint8Array): boolean {
  const { kty, crv, signatureBytes } = algorithms[algorithm];
  if (kty === 'RSA') return signature.length === jwk.modulusBytes;
  if (signature.length !== signatureBytes) return false;
  if (kty === 'OKP') return true;
  const half = signature.length / 2;
  const order = orders[crv as string] as string;
  return (
    isInRange(signature, { start: 0, end: half, order }) &&
    isInRange(signature, { start: half, end: signature.length, order })
  );
}

// 0 < number < order, on big-endian bytes.
function isInRange(bytes: Uint8Array, part: { start: number; end: number; order: string }): boolean {
  const { start, end, order } = part;
  let isZero = true;
  for (let i = start; i < end && isZero; i++) isZero = bytes[i] === 0;
  if (isZero) return false;
  for (let i = start; i < end; i++) {
    const limit = parseInt(order.substr((i - start) * 2, 2), 16);
    const byte = bytes[i] as number;
    if (byte !== limit) return byte < limit;
  }
  return false;
}
