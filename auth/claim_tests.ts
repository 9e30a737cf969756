// What a provider's tokens must say beside RFC 7519's claims: the tests `equals`, `one_of`, `contains` and `matches`.

import { readClaim, type ClaimPath } from './claim_path.js';
import type { UnverifiedObject } from './json.js';

/** What a claim is compared with. The type counts: 1 is not "1". */
export type Scalar = string | number | boolean;

/** A test that a token's claim must pass. Plain JSON, so that shared memory can hold it. */
export type ClaimTest = { claim: ClaimPath } & (
  | { kind: 'one_of'; values: Scalar[] } // `equals` has one value
  | { kind: 'contains'; value: Scalar }
  | { kind: 'matches'; pieces: string[] }
);

/** The longest text that a pattern may match, in UTF-16 units: it bounds the time that a token can take. */
export const maxMatchedLength = 2048;

/**
 * Parses a pattern, in which `*` stands for any text, also none, and any other character for itself.
 * @returns what stands between the asterisks
 */
export function parsePattern(pattern: string): string[] {
  return pattern.split('*');
}

/** Whether a token passes all tests. A claim that is missing, or of another type than the test's, passes none. */
export function passesTests(claims: UnverifiedObject, tests: ClaimTest[]): boolean {
  for (let i = 0; i < tests.length; i++) {
    if (!passes(claims, tests[i] as ClaimTest)) return false;
  }
  return true;
}

function passes(claims: UnverifiedObject, test: ClaimTest): boolean {
  const value = readClaim(claims, test.claim);
  switch (test.kind) {
    case 'one_of':
      return test.values.indexOf(value as Scalar) >= 0;
    case 'contains':
      return Array.isArray(value) && value.indexOf(test.value) >= 0;
    case 'matches':
      return typeof value === 'string' && matchesPieces(value, test.pieces);
    default:
      return false; // a kind that shared memory should not hold
  }
}

/**
 * Whether a text matches a pattern as a whole. Each piece takes the first place after the piece before, which is never
 * wrong, so that nothing is tried twice: no pattern and no text takes more than the product of their lengths.
 */
export function matchesPieces(text: string, pieces: string[]): boolean {
  const first = pieces[0] as string;
  const last = pieces[pieces.length - 1] as string;
  if (pieces.length === 1) return text === first;
  if (text.length > maxMatchedLength || text.length < first.length + last.length) return false;
  const end = text.length - last.length;
  if (text.slice(0, first.length) !== first || text.slice(end) !== last) return false;
  let at = first.length;
  for (let i = 1; i < pieces.length - 1; i++) {
    const piece = pieces[i] as string;
    const found = text.indexOf(piece, at);
    if (found < 0 || found + piece.length > end) return false;
    at = found + piece.length;
  }
  return true;
}
