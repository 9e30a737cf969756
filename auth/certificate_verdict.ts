// The verdict on a client that sent no credential and has a certificate, and until when a certificate admits.

import { certificateHash, subjectHash } from './certificate_entry.js';
import type { ClientCertificate } from './client_certificate.js';
import { checkEntry, principalOf, type KeyRecord } from './key_record.js';
import type { Platform } from './platform.js';
import type { Reason } from './refusals.js';
import { admit, refuse, refusePrincipal, type Verdict } from './verdict.js';

/** A certificate, or why it counts for nothing. */
export type PresentedCertificate = ClientCertificate | { reason: Reason };

/** What the decision needs beside the certificate; a part of the gate of decide.ts. */
export interface Entries {
  platform: Platform;
  nowSeconds: number;
  /** Whether a set of keys was loaded and is not too old. */
  hasKeys: () => boolean;
  /** @returns the entry with a hash of certificate_entry.ts */
  findKey: (hash: string) => KeyRecord | undefined;
}

/** Decides about a client by its certificate alone, whatever scopes a location requires. */
export function decideCertificate(certificate: PresentedCertificate, entries: Entries): Verdict {
  if ('reason' in certificate) return refuse(certificate.reason);
  if (!entries.hasKeys()) return refuse('keys_unavailable');
  const record = findCertificate(certificate, entries);
  if (record === undefined) return refuse('unknown_certificate');
  const principal = Object.assign(principalOf(record), { method: 'certificate' as const });
  const fault = checkEntry(record, entries.nowSeconds);
  if (fault !== undefined) return refusePrincipal('expired_certificate', principal);
  return endWith(certificate, admit(principal));
}

// The entry of the very certificate counts before that of its subject: so a line can end a single certificate.
function findCertificate({ thumbprint, verifiedSubject }: ClientCertificate, entries: Entries): KeyRecord | undefined {
  const record = entries.findKey(certificateHash(thumbprint));
  if (record !== undefined || verifiedSubject === undefined) return record;
  return entries.findKey(subjectHash(verifiedSubject, entries.platform));
}

/** Ends an admission with the certificate that it rests on: a connection or a cache may live longer. */
export function endWith(certificate: PresentedCertificate | undefined, verdict: Verdict): Verdict {
  if (!verdict.admitted || certificate === undefined || 'reason' in certificate) return verdict;
  const { expiresSeconds } = verdict.principal;
  const isFirst = expiresSeconds !== undefined && expiresSeconds <= certificate.endSeconds;
  if (isFirst) return verdict;
  return admit(Object.assign({}, verdict.principal, { expiresSeconds: certificate.endSeconds }));
}
