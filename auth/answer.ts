// A reason put on the wire: status, headers and JSON body (RFC 6750 section 3, RFC 9110 section 11.6.1).

import { refusals, type Reason, type Refusal } from './refusals.js';

/** An answer that the gateway gives itself. */
export interface Answer {
  status: number;
  headers: [name: string, value: string][];
  body: string;
}

/** What an answer may say beside its reason. */
export interface AnswerDetails {
  /** The scopes a location requires, space-separated; named in the challenge of `insufficient_scope`. */
  requiredScope?: string;
  /** After how many seconds to come back; 1 by default, for 429 and 503 only. */
  retryAfterSeconds?: number;
  /** The methods that a path takes, for 405. */
  allow?: string;
}

/** Puts a refusal into the contract's shape; nothing of the request is echoed. */
export function formatRefusal(reason: Reason, details: AnswerDetails = {}): Answer {
  const refusal: Refusal = refusals[reason];
  const headers: [string, string][] = [
    ['Content-Type', 'application/json'],
    ['Cache-Control', 'no-store'],
  ];
  const challenge = formatChallenge(refusal, details.requiredScope);
  if (challenge !== '') headers.push(['WWW-Authenticate', challenge]);
  if (refusal.status === 429 || refusal.status === 503) {
    headers.push(['Retry-After', String(details.retryAfterSeconds || 1)]);
  }
  if (details.allow !== undefined) headers.push(['Allow', details.allow]);
  return { status: refusal.status, headers, body: formatBody(refusal) };
}

function formatBody(refusal: Refusal): string {
  const { type, code, message } = refusal;
  return JSON.stringify({ type: 'error', error: { type, code, message } });
}

const quotable = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

// RFC 6750 section 3.1: no error code where no credential was sent.
function formatChallenge(refusal: Refusal, requiredScope: string | undefined): string {
  const realm = 'Bearer realm="keygate"';
  if (refusal.code === 'missing_credential') return realm;
  if (refusal.status === 401) {
    return `${realm}, error="invalid_token", error_description="${refusal.message.replace(/"/g, "'")}"`;
  }
  if (refusal.code !== 'insufficient_scope') return '';
  const scope = requiredScope !== undefined && quotable.test(requiredScope) ? requiredScope : '';
  return `${realm}, error="insufficient_scope", scope="${scope}"`;
}
