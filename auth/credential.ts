// Which credential a request presents, and in which header (RFC 6750 section 2.1, RFC 9110 section 11.6.2); and the
// form of API keys: `kg_<id>_<secret>` for those that we make, anything printable for others.

import { readSubprotocolKey, subprotocolHeader } from './credential_headers.js';
import type { Reason } from './refusals.js';

/** The credential headers as nginx gives them: empty when absent; a comma and a space join repeated headers. */
export interface CredentialHeaders {
  authorization: string;
  xApiKey: string;
  apiKey: string;
  /** The values of the location's further headers, a line each in their order; empty where all are absent. */
  further: string;
}

export interface PresentedCredential {
  credential: string;
  /**
   * The parts of a credential with exactly two dots, which is judged as a JWT only. Any other credential is judged as
   * an API key only.
   */
  tokenParts: [header: string, payload: string, signature: string] | undefined;
}

/** The longest credential that is judged, in bytes. */
export const maxCredentialBytes = 12288;

const bearer = 'bearer';
const schemeAndRest = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+ /;
const printable = /^[\x21-\x7e]+$/;

/**
 * Chooses the one credential of a request.
 * @param furtherNames the names of the location's further headers (credential_headers.ts)
 * @returns the credential, never empty, or the reason to refuse the request
 */
export function chooseCredential(headers: CredentialHeaders, furtherNames: string[]): string | { reason: Reason } {
  const { authorization, xApiKey, apiKey, further } = headers;
  const fromUsual = xApiKey === '' && apiKey === '' ? '' : chooseKey(trim(xApiKey), trim(apiKey));
  const fromKeys = further === '' ? fromUsual : chooseFurther(fromUsual, further.split('\n'), furtherNames);
  if (typeof fromKeys !== 'string') return fromKeys;
  const value = authorization === '' ? '' : trim(authorization);
  if (value === '') return fromKeys === '' ? { reason: 'missing_credential' } : fromKeys;
  const isBearer = hasBearerScheme(value);
  if (!isBearer && schemeAndRest.test(value)) return fromKeys === '' ? { reason: 'unsupported_scheme' } : fromKeys;
  const fromAuthorization = isBearer ? trim(value.slice(bearer.length)) : value;
  if (fromKeys === '') return fromAuthorization === '' ? { reason: 'missing_credential' } : fromAuthorization;
  return fromAuthorization === '' || fromAuthorization === fromKeys ? fromKeys : { reason: 'two_credentials' };
}

function chooseFurther(
  fromUsual: string | { reason: Reason },
  values: string[],
  names: string[],
): string | { reason: Reason } {
  let chosen = fromUsual;
  for (let i = 0; i < values.length && typeof chosen === 'string'; i++) {
    const value = values[i] as string;
    const key = names[i] === subprotocolHeader ? readSubprotocolKey(value) : trim(value);
    chosen = typeof key === 'string' ? chooseKey(chosen, key) : key;
  }
  return chosen;
}

// A comma means a repeated header: nginx joins the values, and no key has a comma. nginx itself refuses a repeated
// Authorization header.
function chooseKey(xApiKey: string, apiKey: string): string | { reason: Reason } {
  if (xApiKey.indexOf(',') >= 0 || apiKey.indexOf(',') >= 0) return { reason: 'doubled_header' };
  if (xApiKey === '' || apiKey === '') return xApiKey || apiKey;
  return xApiKey === apiKey ? xApiKey : { reason: 'two_credentials' };
}

function hasBearerScheme(value: string): boolean {
  if (value.slice(0, bearer.length).toLowerCase() !== bearer) return false;
  return value.length === bearer.length || value.charAt(bearer.length) === ' ';
}

/**
 * Judges the form of a credential.
 * @returns the credential and its parts, or the reason to refuse the request. An API key has 1 to 12,288 printable
 * ASCII characters without a space; the characters of a token are not checked here.
 */
export function readCredential(credential: string): PresentedCredential | { reason: Reason } {
  const parts = credential.split('.'); // faster than a search for dots, which engines do character by character
  const tokenParts = parts.length === 3 ? (parts as [string, string, string]) : undefined;
  if (credential.length > maxCredentialBytes) {
    return { reason: tokenParts === undefined ? 'credential_too_long' : 'token_too_long' };
  }
  // The decoding of a token allows even fewer characters.
  if (tokenParts !== undefined || printable.test(credential)) return { credential, tokenParts };
  return { reason: 'malformed_credential' };
}

// Without a regular expression: engines would try the expression at every character of a long token.
function trim(value: string): string {
  let start = 0;
  let end = value.length;
  if (!isBlank(value.charCodeAt(0)) && !isBlank(value.charCodeAt(end - 1))) return value;
  while (start < end && isBlank(value.charCodeAt(start))) start++;
  while (end > start && isBlank(value.charCodeAt(end - 1))) end--;
  return value.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9;
}

/** bcrypt silently ignores all bytes of a key after these. */
export const maxBcryptBytes = 72;

/** Characters of the two parts of a generated key. */
export const idCharacters = 8;
export const secretCharacters = 43;

const generated = /^kg_([0-9A-Za-z]{8})_[0-9A-Za-z]{43}$/;

/** @returns the id within a generated key, or an empty text for any other key */
export function parseKeyId(credential: string): string {
  const match = generated.exec(credential);
  return match === null ? '' : (match[1] as string);
}

/**
 * Whether a key may be tried against bcrypt hashes.
 * @returns the reason why not: the key has more than 72 bytes, or a byte that is not printable ASCII
 */
export function checkKeyForm(credential: string): Reason | undefined {
  return credential.length > maxBcryptBytes || /[^\x21-\x7e]/.test(credential) ? 'unknown_key' : undefined;
}
