// The claims that the upstream gets beside the subject: each in an nginx variable and a header of its own.

import { readClaim, type ClaimPath } from './claim_path.js';
import type { UnverifiedObject } from './json.js';
import { encodeSubject, type CarriedClaims } from './verdict.js';

/**
 * Reads the claims that a provider lists. What is no text, number or boolean, or takes more than 256 bytes, is left
 * out: part of a value could be another's value.
 * @param claims of a token whose signature is verified
 */
export function readCarriedClaims(claims: UnverifiedObject, paths: ClaimPath[]): CarriedClaims {
  const carried: CarriedClaims = {};
  paths.forEach((path) => {
    const value = readClaim(claims, path);
    const isPlain = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
    const encoded = isPlain ? encodeSubject(String(value)) : undefined;
    if (encoded) carried[nameVariable(path)] = encoded;
  });
  return carried;
}

/** The nginx variable of a claim that the upstream gets: nginx takes letters in lower case, digits and `_`. */
export function nameVariable(claim: ClaimPath): string {
  return 'keygate_claim_' + claim.name.replace(/[^A-Za-z0-9_]/g, '_').toLowerCase();
}

/** Where a claim is told. */
export interface ClaimHeader {
  /** The header that the upstream gets. */
  header: string;
  /** The header of the decision server's answer. */
  answerHeader: string;
  variable: `keygate_${string}`;
}

/** What the headers of claims begin with. */
export const claimHeaderStart = 'X-Auth-Claim';

const maxWords = 4; // each dash of a header has to be watched for underscores in its place

/** @param variable `keygate_claim_NAME` */
export function claimHeader(variable: string): ClaimHeader {
  const words = variable.slice('keygate_claim_'.length).split(/_+/);
  const named = words.filter((word) => word !== '').map((word) => word.charAt(0).toUpperCase() + word.slice(1));
  const last = named.slice(maxWords - 1).join('');
  const name = named.slice(0, maxWords - 1).concat(last === '' ? [] : last);
  return {
    header: [claimHeaderStart].concat(name).join('-'),
    answerHeader: answerHeaderOf(variable),
    variable: variable as ClaimHeader['variable'],
  };
}

/** The header of the decision server's answer that carries a claim. */
export function answerHeaderOf(variable: string): string {
  return 'X-Keygate-' + variable.slice('keygate_'.length).replace(/_/g, '-');
}
