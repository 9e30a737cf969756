// One entry of the key file as it is found by a key, and what it decides.

import { admit, refuse, type Verdict } from './verdict.js';

/** As nginx keeps it. */
export interface KeyRecord {
  subject: string;
  scopes: string[];
  expiresSeconds: number | undefined;
  fingerprint: string;
}

/** Decides about an entry that a key was found to match. */
export function decideRecord(record: KeyRecord, nowSeconds: number): Verdict {
  if (record.expiresSeconds !== undefined && record.expiresSeconds <= nowSeconds)
    return refuse('expired_key');
  return admit({
    method: 'api_key',
    subject: record.subject,
    issuer: '',
    scopes: record.scopes,
    expiresSeconds: record.expiresSeconds,
    keyId: record.fingerprint,
  });
}
