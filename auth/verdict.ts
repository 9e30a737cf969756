// What a decision is: a value, never an exception. Only njs/ turns the value into nginx calls. Here subjects are made
// safe for headers and logs, so that two subjects never become the same text (RFC 3986 section 2.1). Scopes are
// compared here (RFC 6749 section 3.3).

import type { Platform } from './platform.js';
import type { RateLimit } from './rate_limit.js';
import type { Reason } from './refusals.js';

/** The claims that the upstream gets, by the names of their nginx variables; a value is encoded, and never empty. */
export interface CarriedClaims {
  [variable: string]: string;
}

/** Who an admitted request acts as. */
export interface Principal {
  /** How the credential was checked: the value of `X-Auth-Method`; empty for a preflight let through. */
  method: 'api_key' | 'jwt' | 'certificate' | '';
  /** The subject, encoded for a header (encodeSubject). */
  subject: string;
  /** The token's `iss`, encoded likewise; empty for an API key and for a certificate. */
  issuer: string;
  /** Exactly the scopes written on the credential. */
  scopes: string[];
  /** The moment from which the credential no longer holds, in Unix seconds, leeway included; undefined for never. */
  expiresSeconds: number | undefined;
  /** The id of the entry, also for a token that was minted from it; else the kid of the verifying JWK. For logs. */
  keyId: string;
  /** How many requests the principal may send; null for any number. */
  limit: RateLimit | null;
  /**
   * Names the budget that the principal's requests are charged to. A principal has a budget for each limit: a location
   * with another RATE_LIMIT_KEY has another budget.
   */
  budget: string;
  /** The claims that the upstream gets; absent where the provider lists none. */
  claims?: CarriedClaims | undefined;
}

export interface Admitted {
  admitted: true;
  principal: Principal;
}

export interface Refused {
  admitted: false;
  reason: Reason;
  /** Who was refused, where the credential is genuine: it verifies, whether it still holds or not. */
  principal?: Principal | undefined;
  /** With `token_unknown_kid`: the named provider whose keys may be out of date; absent for the unnamed one. */
  provider?: string | undefined;
  /** With `token_unknown_kid`: keys of the provider should be here and are not (KeySource). */
  lacksJwks?: boolean | undefined;
}

/** The outcome of a decision. */
export type Verdict = Admitted | Refused;

/** Admits a principal. */
export function admit(principal: Principal): Admitted {
  return { admitted: true, principal };
}

/** Refuses for one reason of the table in refusals.ts. */
export function refuse(reason: Reason): Refused {
  return { admitted: false, reason };
}

/** Refuses the holder of a genuine credential. */
export function refusePrincipal(reason: Reason, principal: Principal): Refused {
  return { admitted: false, reason, principal };
}

const scopeTokens = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

/**
 * @param separator between scopes; may be repeated
 * @returns the scopes, or undefined where the text holds a character that no scope may have
 */
export function parseScope(text: string, separator = ' '): string[] | undefined {
  if (!scopeTokens.test(text)) return undefined;
  const scopes = text.split(separator);
  return scopes.indexOf('') < 0 ? scopes : scopes.filter((scope) => scope !== '');
}

/** Whether a text is a single scope (RFC 6749 section 3.3: `scope-token`). */
export function isScopeToken(text: string): boolean {
  return text !== '' && text.indexOf(' ') < 0 && scopeTokens.test(text);
}

/** The required scopes that are not held. */
export function lackingScopes(held: string[], required: string[]): string[] {
  return required.filter((scope) => held.indexOf(scope) < 0);
}

/** Whether all required scopes are held; true where no scope is required. */
export function holdsScopes(held: string[], required: string[]): boolean {
  return required.every((scope) => held.indexOf(scope) >= 0);
}

/** The longest encoded subject, in bytes. */
const maxSubjectBytes = 256;

const plain = /^[\x21-\x24\x26-\x7e]*$/;

/**
 * Encodes a subject or an issuer for a header.
 * @returns at most 256 bytes, or undefined for a text that is too long or that holds control characters, lone
 * surrogates or U+FFFD
 */
export function encodeSubject(text: string): string | undefined {
  const encoded = plain.test(text) ? text : encodeUnusual(text);
  return encoded === undefined || encoded.length > maxSubjectBytes ? undefined : encoded;
}

/** The longest subject that has a short form, in UTF-16 units. */
const maxLongSubject = 2048;
const replacementCharacter = '%EF%BF%BD';
const maxStartBytes = maxSubjectBytes - replacementCharacter.length - 43;

/**
 * Encodes a subject that may be longer than a header holds. A long one becomes its first characters (up to 204 bytes),
 * U+FFFD, and SHA-256 of the whole. No subject that is short looks like this, since none may hold U+FFFD.
 * @returns at most 256 bytes, or undefined as encodeSubject does, or for a text of more than 2,048 units
 */
export function encodeLongSubject(text: string, { sha256 }: Pick<Platform, 'sha256'>): string | undefined {
  if (text.length > maxLongSubject) return undefined;
  const encoded = plain.test(text) ? text : encodeUnusual(text);
  if (encoded === undefined || encoded.length <= maxSubjectBytes) return encoded;
  let end = maxStartBytes;
  while (isWithinCharacter(encoded, end)) end--;
  return encoded.slice(0, end) + replacementCharacter + sha256(text);
}

// Within %XX, or before a continuation byte of UTF-8 (RFC 3629 section 3).
function isWithinCharacter(encoded: string, at: number): boolean {
  return /%[0-9A-F]?$/.test(encoded.slice(at - 2, at)) || /^%[89AB]/.test(encoded.slice(at, at + 2));
}

function encodeUnusual(text: string): string | undefined {
  // The old engine's JSON.parse puts U+FFFD in the place of a lone surrogate.
  if (/[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffd]/.test(text) || hasLoneSurrogate(text)) return undefined;
  return encodeURIComponent(text).replace(/%(2[1-46-9A-F]|3[A-F]|40|5[B-F]|60|7[B-E])/g, (_, hex: string) =>
    String.fromCharCode(parseInt(hex, 16)),
  );
}

function hasLoneSurrogate(text: string): boolean {
  const withoutPairs = text.replace(/[\ud800-\udbff][\udc00-\udfff]/g, '');
  return /[\ud800-\udfff]/.test(withoutPairs);
}
