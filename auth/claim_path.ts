// Where a value stands among the claims of a token: a claim by its name, or a member of a claim by a path.

import { isJsonObject, ownMember, type UnverifiedObject } from './json.js';

/** A claim's name, and the same text as a path. Plain JSON, so that shared memory can hold it. */
export interface ClaimPath {
  /** The whole text, such as `realm_access.roles` or `https://example.org/roles`. */
  name: string;
  /** What stands between the dots; a single part where there is no dot. */
  parts: string[];
}

/** Splits the name of a claim, such as `realm_access.roles`. */
export function parseClaimPath(name: string): ClaimPath {
  return { name, parts: name.split('.') };
}

/**
 * Reads a claim. A claim that has the whole text as its name comes first: names of claims may be URLs, which hold dots
 * (RFC 7519 section 4.2). Then the text is a path through objects; no path leads into an array.
 * @param claims from parseJsonObject, and so without a prototype
 * @returns undefined where the token has no such claim
 */
export function readClaim(claims: UnverifiedObject, { name, parts }: ClaimPath): unknown {
  const whole = claims[name];
  if (whole !== undefined || parts.length === 1) return whole;
  let value: unknown = claims;
  for (let i = 0; i < parts.length; i++) {
    if (!isJsonObject(value)) return undefined;
    value = ownMember(value, parts[i] as string);
  }
  return value;
}
