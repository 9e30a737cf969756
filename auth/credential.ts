// Which credential a request presents, and in which header (RFC 6750 section 2.1, RFC 9110 section 11.6.2).

import type { Reason } from './refusals.js';

/** The credential headers as nginx shows them: undefined when absent. */
export interface CredentialHeaders {
  authorization: string | undefined;
  xApiKey: string | undefined;
  apiKey: string | undefined;
  /** Whether one of the three was sent more than once; asked only when a value holds a comma. */
  isDoubled: () => boolean;
}

/** `credential` holds what was presented; `reason` says why there is none to judge. */
export type CredentialReading = { credential: string } | { reason: Reason };

/** The longest credential that is judged, in bytes. */
export const maxCredentialBytes = 12288;

const schemeAndRest = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+ /;
const printable = /^[\x21-\x7e]+$/;

/**
 * Reads the one credential of a request.
 * @returns the credential, 1 to 12,288 printable ASCII characters without a space (of any kind where it has the two dots
 * of a token), or the reason why there is none
 */
export function readCredential(headers: CredentialHeaders): CredentialReading {
  const { authorization, xApiKey, apiKey } = headers;
  if (mayBeDoubled(authorization, xApiKey, apiKey) && headers.isDoubled())
    return { reason: 'doubled_header' };
  const fromKeyHeaders = trim(xApiKey) || trim(apiKey);
  if (trim(xApiKey) !== '' && trim(apiKey) !== '' && trim(xApiKey) !== trim(apiKey)) {
    return { reason: 'two_credentials' };
  }
  const value = trim(authorization);
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

/**
 * A credential with exactly two dots is judged as a JWT only, anything else as an API key only.
 * @returns whether to judge it as a JWT
 */
export function isTokenShaped(credential: string): boolean {
  const first = credential.indexOf('.');
  if (first < 0) return false;
  const second = credential.indexOf('.', first + 1);
  return second > 0 && credential.indexOf('.', second + 1) < 0;
}

function checkForm(credential: string): CredentialReading {
  if (credential === '') return { reason: 'missing_credential' };
  if (credential.length > maxCredentialBytes) {
    return { reason: isTokenShaped(credential) ? 'token_too_long' : 'credential_too_long' };
  }
  // What is shaped like a token is judged as one: its alphabet is narrower still.
  if (isTokenShaped(credential) || printable.test(credential)) return { credential };
  return { reason: 'malformed_credential' };
}

// nginx joins repeated headers with a comma, so a value without one was sent once.
function mayBeDoubled(...values: (string | undefined)[]): boolean {
  return values.some((value) => value !== undefined && value.indexOf(',') >= 0);
}

// Without a regular expression: engines try one at every character of a long token.
function trim(value: string | undefined): string {
  if (value === undefined) return '';
  let start = 0;
  let end = value.length;
  while (start < end && isBlank(value.charCodeAt(start))) start++;
  while (end > start && isBlank(value.charCodeAt(end - 1))) end--;
  return value.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9;
}
