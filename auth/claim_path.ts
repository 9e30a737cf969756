// Where a value stands among the claims of a token: a claim by its name, or a member of a claim by a path.

import { isJsonObject, type UnverifiedObject } from './json.js';

/** A claim's name, and the same text as a path. Plain JSON, so that shared memory can hold it. */
export interface ClaimPath {
  /** The whole text, such as `realm_access.roles`. */
  name: string;
  /** What stands between the dots; a single part where there is no dot. */
  parts: string[];
}

/** Splits the name of a claim, such as `realm_access.roles`. */
export function parseClaimPath(name: string): ClaimPath {
  return { name, parts: name.split('.') };
}

/**
 * Reads a claim, or a member of a claim. Names may hold dots themselves (`kubernetes.io`, `https://example.org/roles`):
 * in each object the longest name is taken that the object has. No path leads into an array.
 * @param claims from parseJsonObject, and so without a prototype
 * @returns undefined where the token has no such claim
 */
export function readClaim(claims: UnverifiedObject, { name, parts }: ClaimPath): unknown {
  return parts.length === 1 ? claims[name] : readMember(claims, parts);
}

function readMember(claims: UnverifiedObject, parts: string[]): unknown {
  let value: unknown = claims;
  let from = 0;
  while (from < parts.length) {
    if (!isJsonObject(value)) return undefined;
    const to = endOfMember(value, parts, from);
    if (to === from) return undefined;
    value = value[parts.slice(from, to).join('.')];
    from = to;
  }
  return value;
}

/** @returns the end of the longest run of parts that names a member of the object itself; `from` where none does */
function endOfMember(object: UnverifiedObject, parts: string[], from: number): number {
  let to = parts.length;
  while (to > from && !Object.prototype.hasOwnProperty.call(object, parts.slice(from, to).join('.'))) to--;
  return to;
}
