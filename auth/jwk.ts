// JWKs: which keys of a set can be used, each built anew from its public members (RFC 7517, RFC 7518 section 6).

import { algorithms, isAlgorithm, isSameAlgorithm, type Jwk, type SignatureAlgorithm } from './algorithms.js';
import { isJsonObject, ownMember, parseJson, type UnverifiedObject } from './json.js';
import type { Platform } from './platform.js';

export interface JwkProblem {
  /** Place in the set, from 0. */
  index: number;
  kid: string | undefined;
  problem: string;
}

export interface Jwks {
  keys: Jwk[];
  /** Entries that are not used. */
  problems: JwkProblem[];
  /** Entries that are used, but that the operator should change: they have private members. */
  warnings: JwkProblem[];
}

const minModulusBits = 2048;
const maxModulusBits = 4096; // njs imports no larger one
const coordinateBytes: { [crv: string]: number } = { 'P-256': 32, 'P-384': 48, 'P-521': 66 };
const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

/**
 * Reads a JWK set.
 * @returns the usable keys and what is wrong with the other keys, or why the text is no set
 */
export function parseJwks(text: string, platform: Platform): Jwks | { fault: string } {
  const list = readList(text);
  if (list === undefined) return { fault: 'not a JSON object with an array "keys"' };
  const jwks: Jwks = { keys: [], problems: [], warnings: [] };
  const usable: { jwk: Jwk; note: Note }[] = [];
  for (let index = 0; index < list.length; index++) {
    const entry = list[index];
    const note = noteOf(entry, index);
    const read = readJwk(entry, platform);
    if ('problem' in read) jwks.problems.push({ ...note, problem: read.problem });
    else usable.push({ jwk: read.jwk, note });
    if (hasPrivateMembers(entry)) {
      jwks.warnings.push({
        ...note,
        problem: 'has private members, which are ignored here: take them out of this file (keygate jwks import FILE)',
      });
    }
  }
  const sameKid = groupByKid(usable.map(({ jwk }) => jwk));
  usable.forEach(({ jwk, note }) => {
    const others = sameKid['kid ' + (jwk.kid || '')] as Jwk[];
    if (others.some((other) => contradict(jwk, other)))
      jwks.problems.push({ ...note, problem: 'another key has the same kid and fits the same algorithm' });
    else if (others.filter((other) => isSameKey(jwk, other) && jwk.alg === other.alg)[0] === jwk) jwks.keys.push(jwk);
  });
  return jwks;
}

function groupByKid(jwks: Jwk[]): { [kid: string]: Jwk[] } {
  const groups = Object.create(null) as { [kid: string]: Jwk[] };
  jwks.forEach((jwk) => {
    const name = 'kid ' + (jwk.kid || '');
    const group = groups[name] || (groups[name] = []);
    group.push(jwk);
  });
  return groups;
}

type Note = Omit<JwkProblem, 'problem'>;

function noteOf(entry: unknown, index: number): Note {
  const kid = isJsonObject(entry) ? ownMember(entry, 'kid') : undefined;
  return { index, kid: typeof kid === 'string' ? kid.replace(/[^\x21-\x7e]/g, '?').slice(0, 64) : undefined };
}

function hasPrivateMembers(entry: unknown): boolean {
  return isJsonObject(entry) && privateMembers.some((name) => name !== 'k' && ownMember(entry, name) !== undefined);
}

// Some issuers list the same key twice, or once for each algorithm. Only two different keys with the same kid leave
// open which key a token means.
function contradict(one: Jwk, other: Jwk): boolean {
  if (one.kid === undefined || one.kid !== other.kid || isSameKey(one, other)) return false;
  if (one.kty !== other.kty || one.crv !== other.crv) return false;
  return one.alg === undefined || other.alg === undefined || isSameAlgorithm(one.alg, other.alg);
}

function isSameKey(one: Jwk, other: Jwk): boolean {
  return (
    one.kid === other.kid &&
    one.kty === other.kty &&
    one.n === other.n &&
    one.e === other.e &&
    one.crv === other.crv &&
    one.x === other.x &&
    one.y === other.y
  );
}

function readList(text: string): unknown[] | undefined {
  const value = parseJson(text);
  const keys = isJsonObject(value) ? ownMember(value, 'keys') : undefined;
  return Array.isArray(keys) ? (keys as unknown[]) : undefined;
}

type JwkReading = { jwk: Jwk } | { problem: string };

function readJwk(entry: unknown, platform: Platform): JwkReading {
  if (!isJsonObject(entry)) return { problem: 'not an object' };
  const use = ownMember(entry, 'use');
  const operations = ownMember(entry, 'key_ops');
  const alg = ownMember(entry, 'alg');
  const kid = ownMember(entry, 'kid');
  if (ownMember(entry, 'kty') === 'oct') return { problem: 'a symmetric key is never used here' };
  if (kid !== undefined && (typeof kid !== 'string' || kid === '')) return { problem: 'kid is not a non-empty string' };
  if (use !== undefined && use !== 'sig') return { problem: 'use is not sig' };
  if (operations !== undefined && !(Array.isArray(operations) && operations.indexOf('verify') >= 0)) {
    if (!isPrivateSigner(entry, operations)) return { problem: 'key_ops does not hold verify' };
  }
  if (alg !== undefined && !isAlgorithm(alg)) return { problem: 'alg is not one that is accepted here' };
  const read = readMembers(entry, platform);
  if ('problem' in read) return read;
  if (alg !== undefined) {
    const { kty, crv } = algorithms[alg];
    if (kty !== read.jwk.kty || (crv !== undefined && crv !== read.jwk.crv))
      return { problem: 'alg does not fit kty and crv' };
    read.jwk.alg = alg;
  }
  if (kid !== undefined) read.jwk.kid = kid;
  return read;
}

// The key_ops of a private key describe the private half: `sign` there means `verify` for the public half.
function isPrivateSigner(entry: UnverifiedObject, operations: unknown): boolean {
  return ownMember(entry, 'd') !== undefined && Array.isArray(operations) && operations.indexOf('sign') >= 0;
}

function readMembers(entry: UnverifiedObject, platform: Platform): JwkReading {
  const kty = ownMember(entry, 'kty');
  if (kty === 'RSA') return readRsa(entry, platform);
  if (kty === 'EC') return readEc(entry, platform);
  if (kty === 'OKP') return readOkp(entry, platform);
  return { problem: 'kty is not RSA, EC or OKP' };
}

function readRsa(entry: UnverifiedObject, platform: Platform): JwkReading {
  const n = ownMember(entry, 'n');
  const e = ownMember(entry, 'e');
  const padded = typeof n === 'string' ? platform.decodeBase64url(n) : undefined;
  const exponent = typeof e === 'string' ? platform.decodeBase64url(e) : undefined;
  if (padded === undefined || exponent === undefined) return { problem: 'n or e is not base64url' };
  const modulus = withoutZeroBytes(padded);
  if (modulus.length === 0) return { problem: 'n is empty' };
  const bits = modulus.length * 8 - (8 - (modulus[0] as number).toString(2).length);
  if (bits < minModulusBits) return { problem: `RSA modulus of ${bits} bits: expected ${minModulusBits} or more` };
  if (bits > maxModulusBits) return { problem: `RSA modulus of ${bits} bits: expected ${maxModulusBits} or fewer` };
  const isSmall = exponent.length <= 1 && (exponent[0] || 0) < 3;
  const isEven = exponent.length === 0 || (exponent[exponent.length - 1] as number) % 2 === 0;
  if (isSmall || isEven || exponent[0] === 0 || exponent.length > 8)
    return { problem: 'e is not an odd number from 3 on' };
  const bare = modulus === padded ? (n as string) : platform.encodeBase64url(modulus);
  return { jwk: { kty: 'RSA', n: bare, e: e as string, modulusBytes: modulus.length } };
}

// Java's BigInteger puts a zero byte first, and some issuers publish it (RFC 7518 section 6.3.1.1 forbids that).
function withoutZeroBytes(bytes: Uint8Array): Uint8Array {
  let zeros = 0;
  while (zeros < bytes.length && bytes[zeros] === 0) zeros++;
  return zeros === 0 ? bytes : bytes.subarray(zeros);
}

function readEc(entry: UnverifiedObject, platform: Platform): JwkReading {
  const crv = ownMember(entry, 'crv');
  const size =
    typeof crv === 'string' && Object.prototype.hasOwnProperty.call(coordinateBytes, crv)
      ? coordinateBytes[crv]
      : undefined;
  if (size === undefined) return { problem: 'crv is not P-256, P-384 or P-521' };
  const x = ownMember(entry, 'x');
  const y = ownMember(entry, 'y');
  if (!hasBytes(x, size, platform) || !hasBytes(y, size, platform))
    return { problem: `x or y is not base64url of ${size} bytes` };
  return { jwk: { kty: 'EC', crv: crv as string, x: x as string, y: y as string } };
}

function readOkp(entry: UnverifiedObject, platform: Platform): JwkReading {
  if (ownMember(entry, 'crv') !== 'Ed25519') return { problem: 'crv is not Ed25519' };
  const x = ownMember(entry, 'x');
  if (!hasBytes(x, 32, platform)) return { problem: 'x is not base64url of 32 bytes' };
  return { jwk: { kty: 'OKP', crv: 'Ed25519', x: x as string } };
}

function hasBytes(value: unknown, count: number, platform: Platform): boolean {
  const bytes = typeof value === 'string' ? platform.decodeBase64url(value) : undefined;
  return bytes !== undefined && bytes.length === count;
}

/** Whether a key may verify an algorithm: its type, its curve and its own alg must all fit. */
export function fitsAlgorithm(jwk: Jwk, algorithm: SignatureAlgorithm): boolean {
  const { kty, crv } = algorithms[algorithm];
  const isMeant = jwk.alg === undefined || isSameAlgorithm(jwk.alg, algorithm);
  return isMeant && jwk.kty === kty && (crv === undefined || jwk.crv === crv);
}
