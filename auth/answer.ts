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
  requiredScope?: string | undefined;
  /** Those of them that the credential lacks, space-separated. */
  lackingScope?: string | undefined;
  /** Where the metadata of the protected resource are (RFC 9728 section 5.1): the challenge then has scopes, too. */
  metadataUrl?: string | undefined;
  /** After how many milliseconds the client may try again: for 429 only, 1000 by default. */
  retryAfterMs?: number;
  /** The methods that a path takes, for 405. */
  allow?: string;
}

/** Makes the answer to a refused request; the answer repeats nothing that the client sent. */
export function formatRefusal(reason: Reason, details: AnswerDetails = {}): Answer {
  const { status } = refusals()[reason];
  const { body, challenge, error } = textsOf(reason);
  const headers: [string, string][] = [
    ['Content-Type', jsonMediaType],
    ['Cache-Control', 'no-store'],
  ];
  if (challenge !== '') {
    const scope = formatScope(reason, details);
    headers.push(['WWW-Authenticate', challenge + formatMore(reason, details) + error + scope]);
  }
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
  /** How the value of WWW-Authenticate begins; empty where the answer has no such header. */
  challenge: string;
  /** How it goes on, behind what depends on the request. */
  error: string;
}

// The texts are made once for each reason: a client that guesses keys gets many refusals, and each should cost little.
const made: { [reason: string]: Texts } = {};

function textsOf(reason: Reason): Texts {
  return made[reason] || (made[reason] = makeTexts(refusals()[reason]));
}

function makeTexts(refusal: Refusal): Texts {
  const { status, type, code, message } = refusal;
  const body = JSON.stringify({ type: 'error', error: { type, code, message } });
  const isChallenged = status === 401 || code === 'insufficient_scope';
  return { body, challenge: isChallenged ? 'Bearer realm="keygate"' : '', error: formatError(refusal) };
}

// RFC 6750 section 3.1: no error code where no credential was sent.
function formatError({ code, message }: Refusal): string {
  if (code === 'missing_credential') return '';
  if (code === 'insufficient_scope') return ', error="insufficient_scope"';
  return `, error="invalid_token", error_description="${message.replace(/"/g, "'")}"`;
}

const quotable = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

const maxLackingCharacters = 80; // a verdict has a small buffer; `scope` has them, too

function formatMore(reason: Reason, { metadataUrl = '', lackingScope = '' }: AnswerDetails): string {
  const metadata = metadataUrl === '' ? '' : `, resource_metadata="${metadataUrl}"`;
  if (reason !== 'insufficient_scope' || lackingScope === '' || lackingScope.length > maxLackingCharacters)
    return metadata;
  return quotable.test(lackingScope) ? `${metadata}, error_description="It lacks ${lackingScope}."` : metadata;
}

// All scopes that are needed (RFC 6750 section 3), not only those that are lacking: clients ask for a token with
// exactly these. A 401 names them to OAuth clients, who then need no second token.
function formatScope(reason: Reason, { metadataUrl = '', requiredScope }: AnswerDetails): string {
  if (requiredScope === undefined) return '';
  if (reason !== 'insufficient_scope' && (metadataUrl === '' || requiredScope === '')) return '';
  return `, scope="${quotable.test(requiredScope) ? requiredScope : ''}"`;
}
