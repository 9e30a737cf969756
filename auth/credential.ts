// Which credential a request presents, and in which header (RFC 6750 section 2.1, RFC 9110 section 11.6.2).

import type { Reason } from './refusals.js';

/** The credential headers as nginx shows them: empty when absent, repeated ones joined by a comma and a space. */
export interface CredentialHeaders {
  authorization: string;
  xApiKey: string;
  apiKey: string;
}

export interface PresentedCredential {
  credential: string;
  /** What stands between its dots where there are exactly two: then it is judged as a JWT only, else as an API key only. */
  tokenParts: [header: string, payload: string, signature: string] | undefined;
}

/** The longest credential that is judged, in bytes. */
export const maxCredentialBytes = 12288;

const schemeAndRest = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+ /;
const printable = /^[\x21-\x7e]+$/;

/**
 * Reads the one credential of a request. A header that was sent twice comes out as a value that no credential has.
 * @returns the credential, 1 to 12,288 printable ASCII characters without a space (of any kind where it has the two dots
 * of a token), or the reason why there is none
 */
export function readCredential(headers: CredentialHeaders): PresentedCredential | { reason: Reason } {
  const usual = usualCredential(headers);
  if (usual !== undefined && !isBlank(usual.charCodeAt(0)) && !isBlank(usual.charCodeAt(usual.length - 1)))
    return checkForm(usual);
  const xApiKey = trim(headers.xApiKey);
  const apiKey = trim(headers.apiKey);
  if (xApiKey !== '' && apiKey !== '' && xApiKey !== apiKey) return { reason: 'two_credentials' };
  const fromKeyHeaders = xApiKey || apiKey;
  const value = trim(headers.authorization);
  const isBearer =
    value.slice(0, 6).toLowerCase() === 'bearer' && (value.length === 6 || value.charAt(6) === ' ');
  if (!isBearer && schemeAndRest.test(value)) {
    return fromKeyHeaders === '' ? { reason: 'unsupported_scheme' } : checkForm(fromKeyHeaders);
  }
  const fromAuthorization = isBearer ? trim(value.slice(6)) : value;
  if (fromAuthorization !== '' && fromKeyHeaders !== '' && fromAuthorization !== fromKeyHeaders) {
    return { reason: 'two_credentials' };
  }
  return checkForm(fromAuthorization || fromKeyHeaders);
}

/** Whether a credential looks like a key and an empty second header, which nginx joins to `KEY, `. */
export function looksDoubled(credential: string): boolean {
  return credential.charAt(credential.length - 1) === ',';
}

/** Whether any header may be two that nginx has joined: no verdict on it may be kept, for only the raw list tells. */
export function mayBeDoubled({ authorization, xApiKey, apiKey }: CredentialHeaders): boolean {
  return looksDoubled(trim(authorization)) || looksDoubled(trim(xApiKey)) || looksDoubled(trim(apiKey));
}

/** @returns what follows `Bearer ` or stands in one key header, where nothing else is presented; undefined for any other form */
export function usualCredential({ authorization, xApiKey, apiKey }: CredentialHeaders): string | undefined {
  if (authorization === '') return xApiKey === '' ? apiKey : apiKey === '' ? xApiKey : undefined;
  const isBearer = authorization.slice(0, 7) === 'Bearer ';
  return isBearer && xApiKey === '' && apiKey === '' ? authorization.slice(7) : undefined;
}

// Judges the form of a credential; see readCredential.
function checkForm(credential: string): PresentedCredential | { reason: Reason } {
  if (credential === '') return { reason: 'missing_credential' };
  const parts = credential.split('.'); // faster than looking for dots: engines do it character by character
  const tokenParts = parts.length === 3 ? (parts as [string, string, string]) : undefined;
  if (credential.length > maxCredentialBytes) {
    return { reason: tokenParts === undefined ? 'credential_too_long' : 'token_too_long' };
  }
  // What is shaped like a token is judged as one: its alphabet is narrower still.
  if (tokenParts !== undefined || printable.test(credential)) return { credential, tokenParts };
  return { reason: 'malformed_credential' };
}

// Without a regular expression: engines try one at every character of a long token.
function trim(value: string): string {
  let start = 0;
  let end = value.length;
  while (start < end && isBlank(value.charCodeAt(start))) start++;
  while (end > start && isBlank(value.charCodeAt(end - 1))) end--;
  return start === 0 && end === value.length ? value : value.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9;
}
