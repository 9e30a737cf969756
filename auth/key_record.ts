// Whether an entry of the key file still holds, and what nginx and the sidecar keep and send of an entry without its
// secret.

import type { Reason } from './refusals.js';
import { isJsonObject } from './json.js';
import type { Platform } from './platform.js';
import { isRateLimit, nameBudget, type RateLimit } from './rate_limit.js';
import { encodeSubject, admit, refusePrincipal, type Principal, type Verdict } from './verdict.js';

/**
 * The media type of each question to the sidecar and of each answer. An answer of another type does not count (rule 2
 * in docs/nginx-traps.md).
 */
export const sidecarMediaType = 'application/vnd.keygate+json';

export interface KeyEntry {
  kind: 'bcrypt' | 'sha256' | 'plaintext' | 'x509' | 'x509-subject';
  /** The name before the hash; empty for none. */
  name: string;
  /**
   * The bcrypt string; the base64url SHA-256 of a `sha256` or `plaintext` key; what names the entry of a client's
   * certificate (certificate_entry.ts).
   */
  hash: string;
  /** The `id=` attribute: the second part of keys `kg_<id>_<secret>`; empty for none. */
  id: string;
  /** From when the entry no longer holds, in Unix seconds; null for never. */
  expiresSeconds: number | null;
  scopes: string[];
  /** The limit of `rate=` and `burst=`, or of another line with the same name; null for none. */
  limit: RateLimit | null;
  /** The stored text: the line without white space at its ends. */
  text: string;
  line: number;
}

const fingerprintCharacters = 22; // the last character carries two bits
const subjectCharacters = 8;

/**
 * Names an entry in the tokens that are minted from it.
 * @param secret the HMAC key from STATE_DIR
 * @returns 16 bytes of HMAC-SHA-256 of the stored text, as 22 characters of base64url
 */
export function entryFingerprint(entry: KeyEntry, secret: string, platform: Platform): string {
  const mac = platform.hmacSha256(secret, entry.text);
  return mac.slice(0, fingerprintCharacters - 1) + firstTwoBits(mac.charCodeAt(fingerprintCharacters - 1));
}

// Clears all bits of a base64url character but the first two: A-P becomes A, Q-f becomes Q, g-v becomes g, w-_
// becomes w.
function firstTwoBits(code: number): string {
  if (code >= 97 && code <= 122) return code <= 102 ? 'Q' : code <= 118 ? 'g' : 'w';
  if (code >= 65 && code <= 90) return code <= 80 ? 'A' : 'Q';
  return 'w';
}

/** @returns the entry's name, or `key-` and 8 characters of its fingerprint */
export function entrySubject(entry: KeyEntry, fingerprint: string): string {
  return entry.name || 'key-' + fingerprint.slice(0, subjectCharacters);
}

/**
 * Names an entry in logs and metrics.
 * @returns the entry's id, or `key-` and 8 characters of its fingerprint
 */
export function entryKeyId(entry: KeyEntry, fingerprint: string): string {
  return entry.id || 'key-' + fingerprint.slice(0, subjectCharacters);
}

/** An entry without its secret. All members survive JSON, since the sidecar sends records to nginx. */
export interface KeyRecord {
  /** Fit for a header. */
  subject: string;
  scopes: string[];
  /** From when the entry no longer holds, in Unix seconds; null for never. */
  expiresSeconds: number | null;
  /** Names the entry in logs and metrics (entryKeyId). */
  keyId: string;
  /** The entry's own limit; null for none. */
  limit: RateLimit | null;
}

/** What a token takes over from the entry that it was minted from. */
export type KeyTerms = Pick<KeyRecord, 'expiresSeconds' | 'keyId' | 'limit'>;

/**
 * Judges whether an entry of the key file still holds. nginx, the sidecar and the commands share this rule.
 * @returns the reason to refuse the entry, or undefined
 */
export function checkEntry(terms: Pick<KeyTerms, 'expiresSeconds'>, nowSeconds: number): Reason | undefined {
  return terms.expiresSeconds !== null && terms.expiresSeconds <= nowSeconds ? 'expired_key' : undefined;
}

/**
 * Names the budget of a key's requests. All entries of one name, and the tokens that were minted from them, share it:
 * a minted token has the entry's subject.
 */
export function keyBudget(subject: string, limit: RateLimit | null): string {
  return nameBudget(`key ${subject}`, limit);
}

/** Whether a budget is one of an API key and its tokens. */
export function isKeyBudget(budget: string): boolean {
  return budget.slice(0, 4) === 'key ';
}

/** Decides about a key that matches an entry. */
export function decideRecord(record: KeyRecord, nowSeconds: number): Verdict {
  const fault = checkEntry(record, nowSeconds);
  const principal = principalOf(record);
  return fault === undefined ? admit(principal) : refusePrincipal(fault, principal);
}

/** Who holds a key that matches an entry, whether the entry still holds or not. */
export function principalOf({ subject, scopes, expiresSeconds, keyId, limit }: KeyRecord): Principal {
  return {
    method: 'api_key',
    subject,
    issuer: '',
    scopes,
    expiresSeconds: expiresSeconds === null ? undefined : expiresSeconds,
    keyId,
    limit,
    budget: keyBudget(subject, limit),
  };
}

/**
 * Makes the record of an entry.
 * @param fingerprint of the entry (entryFingerprint)
 */
export function recordOf(entry: KeyEntry, fingerprint: string): KeyRecord {
  const { scopes, expiresSeconds, limit } = entry;
  const keyId = entryKeyId(entry, fingerprint);
  return { subject: entrySubject(entry, fingerprint), scopes, expiresSeconds, keyId, limit };
}

/** @returns the record in an answer of the sidecar, or undefined where there is none */
export function readRecord(value: unknown): KeyRecord | undefined {
  if (!isJsonObject(value)) return undefined;
  const { subject, scopes, expiresSeconds, keyId, limit } = value;
  const encoded = typeof subject === 'string' ? encodeSubject(subject) : undefined;
  if (encoded === undefined || typeof keyId !== 'string' || encodeSubject(keyId) !== keyId) return undefined;
  if (limit !== null && !isRateLimit(limit)) return undefined;
  if (!Array.isArray(scopes) || !scopes.every((scope) => typeof scope === 'string')) return undefined;
  if (expiresSeconds !== null && typeof expiresSeconds !== 'number') return undefined;
  return { subject: encoded, scopes: scopes as string[], expiresSeconds, keyId, limit };
}
