// What nginx and the sidecar keep and tell each other of one entry of the key file, and whether the entry still holds.

import type { Reason } from './refusals.js';
import { entryFingerprint, entrySubject, type KeyEntry } from './key_entry.js';
import { isJsonObject } from './json.js';
import type { Platform } from './platform.js';
import { encodeSubject } from './subject.js';
import { admit, refuse, type Verdict } from './verdict.js';

/** An entry without its secret. All members survive JSON: nginx stores a record as such, and the sidecar sends it. */
export interface KeyRecord {
  /** Fit for a header. */
  subject: string;
  scopes: string[];
  /** From when the entry no longer holds, in Unix seconds; null for never. */
  expiresSeconds: number | null;
  /** Names the entry in tokens that were minted from it. */
  fingerprint: string;
}

/** What of an entry decides whether it holds. */
export type KeyTerms = Pick<KeyRecord, 'expiresSeconds'>;

/**
 * Judges an entry of the key file: the one place that does, wherever an entry is met.
 * @returns the reason why it does not hold, or undefined
 */
export function checkEntry(terms: KeyTerms, nowSeconds: number): Reason | undefined {
  return terms.expiresSeconds !== null && terms.expiresSeconds <= nowSeconds ? 'expired_key' : undefined;
}

/** Decides about an entry that a key was found to match. */
export function decideRecord(record: KeyRecord, nowSeconds: number): Verdict {
  const fault = checkEntry(record, nowSeconds);
  if (fault !== undefined) return refuse(fault);
  return admit({
    method: 'api_key',
    subject: record.subject,
    issuer: '',
    scopes: record.scopes,
    expiresSeconds: record.expiresSeconds === null ? undefined : record.expiresSeconds,
    keyId: record.fingerprint,
  });
}

/** @param secret the HMAC key from STATE_DIR under which fingerprints are made */
export function recordOf(entry: KeyEntry, secret: string, platform: Platform): KeyRecord {
  const fingerprint = entryFingerprint(entry, secret, platform);
  const { scopes, expiresSeconds } = entry;
  return { subject: entrySubject(entry, fingerprint), scopes, expiresSeconds, fingerprint };
}

/** @returns the record in an answer of the sidecar, or undefined where there is none */
export function readRecord(value: unknown): KeyRecord | undefined {
  if (!isJsonObject(value)) return undefined;
  const { subject, scopes, expiresSeconds, fingerprint } = value;
  const encoded = typeof subject === 'string' ? encodeSubject(subject) : undefined;
  if (encoded === undefined || typeof fingerprint !== 'string') return undefined;
  if (!Array.isArray(scopes) || !scopes.every((scope) => typeof scope === 'string')) return undefined;
  if (expiresSeconds !== null && typeof expiresSeconds !== 'number') return undefined;
  return { subject: encoded, scopes: scopes as string[], expiresSeconds, fingerprint };
}
