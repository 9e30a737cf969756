// What a client gets for a reason: status, headers with the challenge, and JSON body (RFC 6750 section 3, RFC 9110
// section 11.6.1).

import { refusals, type Reason, type Refusal } from './refusals.js';

/** The media type of what the gateway answers itself. */
export const jsonMediaType = 'application/json';

/** An answer that the gateway gives itself. */
export interface Answer {
  status: number;
  headers: [name: string, value: string][];
  body: string;
}

/** What an answer may say beside its reason. */
export interface AnswerDetails {
  /** The scopes a location requires, space-separated; the challenge of `insufficient_scope` then names them. */
  requiredScope?: string;
  /** After how many milliseconds the client may try again: for 429 only, 1000 by default. */
  retryAfterMs?: number;
  /** The methods that a path takes, for 405. */
  allow?: string;
}

/** Makes the answer to a refused request; the answer repeats nothing that the client sent. */
export function formatRefusal(reason: Reason, details: AnswerDetails = {}): Answer {
  const { status } = refusals()[reason];
  const { body, challenge } = textsOf(reason);
  const headers: [string, string][] = [
    ['Content-Type', jsonMediaType],
    ['Cache-Control', 'no-store'],
  ];
  if (challenge !== '') headers.push(['WWW-Authenticate', challenge + formatScope(reason, details.requiredScope)]);
  if (status === 429) headers.push(...formatRetry(details.retryAfterMs));
  if (status === 503) headers.push(['Retry-After', '1']);
  if (details.allow !== undefined) headers.push(['Allow', details.allow]);
  return { status, headers, body };
}

// SDKs wait for as long as retry-after-ms or Retry-After says, and then try again. A client that would have to wait for
// more than a minute is told not to: openai 6 would sleep for hours, openai 7 would ask again after half a second.
const longestWaitMs = 60000;

function formatRetry(retryAfterMs = 1000): [string, string][] {
  const ms = Math.max(1, Math.ceil(retryAfterMs));
  const headers: [string, string][] = [
    ['Retry-After', String(Math.ceil(ms / 1000))],
    ['Retry-After-Ms', String(ms)],
  ];
  if (ms > longestWaitMs) headers.push(['X-Should-Retry', 'false']);
  return headers;
}

/** The parts of an answer that depend on the reason alone. */
interface Texts {
  body: string;
  /** The value of WWW-Authenticate; empty where the answer has no such header. */
  challenge: string;
}

// The texts are made once for each reason: a client that guesses keys gets many refusals, and each should cost little.
const made: { [reason: string]: Texts } = {};

function textsOf(reason: Reason): Texts {
  return made[reason] || (made[reason] = makeTexts(refusals()[reason]));
}

function makeTexts(refusal: Refusal): Texts {
  const { type, code, message } = refusal;
  const body = JSON.stringify({ type: 'error', error: { type, code, message } });
  return { body, challenge: formatChallenge(refusal) };
}

// RFC 6750 section 3.1: no error code where no credential was sent.
function formatChallenge({ status, code, message }: Refusal): string {
  const realm = 'Bearer realm="keygate"';
  if (code === 'missing_credential') return realm;
  if (code === 'insufficient_scope') return `${realm}, error="insufficient_scope"`;
  return status === 401 ? `${realm}, error="invalid_token", error_description="${message.replace(/"/g, "'")}"` : '';
}

const quotable = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

function formatScope(reason: Reason, requiredScope: string | undefined): string {
  if (reason !== 'insufficient_scope' || requiredScope === undefined) return '';
  return `, scope="${quotable.test(requiredScope) ? requiredScope : ''}"`;
}
