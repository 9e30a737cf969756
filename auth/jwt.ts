// Whether a JWT is well-formed, in JWS compact serialisation (RFC 7515 section 7.1, RFC 7519 section 7.2, RFC 8725).

import { isAlgorithm, type SignatureAlgorithm, algorithms, type Jwk } from './algorithms.js';
import { maxCredentialBytes } from './credential.js';
import { ownMember, parseJsonObject, type UnverifiedObject } from './json.js';
import type { Platform } from './platform.js';
import type { Reason } from './refusals.js';

/** A parsed token; no part of it can be trusted before the signature is verified. */
export interface UnverifiedToken {
  algorithm: SignatureAlgorithm;
  kid: string | undefined;
  unverifiedClaims: UnverifiedObject;
  /** What was signed: header and payload as sent. */
  signedText: string;
  signature: Uint8Array;
}

/** What a decision needs to know of a token's header. */
interface AcceptedHeader {
  algorithm: SignatureAlgorithm;
  kid: string | undefined;
}

const maxKidCharacters = 512;

/**
 * Parses a token, or says why the token is malformed.
 * @param parts the parts between the dots, where the caller has split the token already
 */
export function parseToken(
  token: string,
  platform: Platform,
  parts: string[] = token.split('.'),
): UnverifiedToken | { reason: Reason } {
  if (token.length > maxCredentialBytes) return { reason: 'token_too_long' };
  const header = parts[0];
  const payload = parts[1];
  const last = parts[2];
  if (parts.length !== 3 || !header || !payload || !last) return { reason: 'token_not_three_parts' };
  const signature = platform.decodeBase64url(last);
  if (signature === undefined) return { reason: 'token_bad_base64url' };
  const checked = readHeader(header, platform);
  if ('reason' in checked) return checked;
  const readPayload = parsePart(payload, 'token_payload_not_json', platform);
  if ('reason' in readPayload) return readPayload;
  const signedText = token.slice(0, header.length + 1 + payload.length);
  return {
    algorithm: checked.algorithm,
    kid: checked.kid,
    unverifiedClaims: readPayload.object,
    signedText,
    signature,
  };
}

function parsePart(
  part: string,
  otherwise: Reason,
  platform: Platform,
): { object: UnverifiedObject } | { reason: Reason } {
  const bytes = platform.decodeBase64url(part);
  if (bytes === undefined) return { reason: 'token_bad_base64url' };
  const text = platform.decodeUtf8(bytes);
  if (text === undefined) return { reason: otherwise };
  const reading = parseJsonObject(text);
  if ('object' in reading) return reading;
  return { reason: reading.fault === 'nested too deep' ? 'token_nested_too_deep' : otherwise };
}

// Few different headers are in use at a time: accepted headers are remembered by their encoded text.
const accepted = { headers: Object.create(null) as { [header: string]: AcceptedHeader }, count: 0 };
const maxAccepted = 16;
const maxAcceptedCharacters = 512;

function readHeader(header: string, platform: Platform): AcceptedHeader | { reason: Reason } {
  const known = accepted.headers[header];
  if (known !== undefined) return known;
  const read = parsePart(header, 'token_header_not_json', platform);
  if ('reason' in read) return read;
  const checked = checkHeader(read.object);
  if ('reason' in checked || header.length > maxAcceptedCharacters) return checked;
  if (accepted.count === maxAccepted) {
    accepted.headers = Object.create(null) as { [header: string]: AcceptedHeader };
    accepted.count = 0;
  }
  accepted.headers[header] = checked;
  accepted.count++;
  return checked;
}

// jwk, jku, x5u and x5c are never read: only the operator says which keys are trusted.
function checkHeader(header: UnverifiedObject): AcceptedHeader | { reason: Reason } {
  const algorithm = ownMember(header, 'alg');
  const kid = ownMember(header, 'kid');
  const typ = ownMember(header, 'typ');
  if (ownMember(header, 'enc') !== undefined) return { reason: 'token_encrypted' };
  if (ownMember(header, 'crit') !== undefined) return { reason: 'token_crit' };
  if (ownMember(header, 'b64') !== undefined || ownMember(header, 'zip') !== undefined) {
    return { reason: 'token_header_invalid' };
  }
  if (!isAlgorithm(algorithm)) return { reason: 'token_algorithm' };
  if (typ !== undefined && !isAcceptedType(typ)) return { reason: 'token_typ' };
  if (kid === undefined) return { algorithm, kid };
  const isKid = typeof kid === 'string' && kid !== '' && kid.length <= maxKidCharacters;
  return isKid ? { algorithm, kid } : { reason: 'token_header_invalid' };
}

// RFC 9068 section 4: application/ may be left out, and case does not matter.
function isAcceptedType(typ: unknown): boolean {
  return typeof typ === 'string' && /^(?:application\/)?(?:jwt|at\+jwt)$/i.test(typ);
}

/** The order n of each curve, in hexadecimal (SEC 2). */
const orders: { [crv: string]: string } = {
  'P-256': 'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551',
  'P-384': 'ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973',
  'P-521':
    '01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409',
};

/** Whether a signature has the length and the range of a signature by this key. */
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
