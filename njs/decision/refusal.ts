// How nginx sends a refusal: as headers of a verdict, from which the guarded location makes the answer
// (nginx/snippets/locations.conf), or as the answer itself; and how an answer of the decision server names a principal.

import { formatRefusal } from '../../auth/answer.js';
import { answerHeaderOf } from '../../auth/carried_claims.js';
import { formatCors } from '../../auth/cors.js';
import type { CarriedValue } from '../../auth/identity_headers.js';
import { formatLimitHeaders } from '../../auth/limit_headers.js';
import type { CarriedClaims, Principal } from '../../auth/verdict.js';
import type { RefusedOutcome } from './outcome.js';

/**
 * Answers the auth subrequest of a guarded location. auth_request takes 401 and 403 alone, so a header of the verdict
 * has the status for the client. A 401 has WWW-Authenticate, which nginx itself passes on to the client. refusal.conf
 * sets the headers that all refusals share.
 */
export function sendVerdict(r: NginxHTTPRequest, outcome: RefusedOutcome): void {
  const { reason, retryAfterMs = 1000, lackingScope, metadataUrl } = outcome;
  const requiredScope = hasRoomForScopes(outcome) ? outcome.requiredScope : undefined;
  const details = { retryAfterMs, lackingScope, metadataUrl, requiredScope };
  const { status, headers, body } = formatRefusal(reason, details);
  const headersOut = r.headersOut;
  for (let i = 0; i < headers.length; i++) {
    const [name, value] = headers[i] as [string, string];
    if (name === 'WWW-Authenticate') headersOut[status === 401 ? name : 'X-Keygate-Challenge'] = value;
    else if (carried.indexOf(name) >= 0) headersOut['X-Keygate-' + name.replace('X-', '')] = value;
  }
  if (outcome.limit !== undefined) headersOut['X-Keygate-Limit'] = outcome.limit;
  headersOut['X-Keygate-Status'] = String(status);
  headersOut['X-Keygate-Body'] = body;
  headersOut['X-Keygate-Reason'] = reason;
  r.return(status === 401 ? 401 : 403, ''); // without a body nginx would send a page, and close the connection
}

// Of a verdict with a principal the buffer of ask.conf has no room for the scopes. locations.conf adds them to
// insufficient_scope, and the metadata name them to OAuth clients.
function hasRoomForScopes({ reason, principal }: RefusedOutcome): boolean {
  return reason !== 'insufficient_scope' && principal === undefined;
}

// Headers of a refusal that the verdict carries under names of ours (nginx/snippets/verdict.conf).
const carried = ['Retry-After', 'Retry-After-Ms', 'X-Should-Retry'];

/** Names a principal in headers for the nginx that asks. */
export function sendPrincipal(r: NginxHTTPRequest, rows: CarriedValue[], principal: Principal): void {
  const headersOut = r.headersOut;
  for (let i = 0; i < rows.length; i++) {
    const { answerHeader, read } = rows[i] as CarriedValue;
    const value = read(principal);
    if (value !== '') headersOut[answerHeader] = value;
  }
}

/** Tells the nginx that asks the claims that the upstream gets. */
export function sendClaims(r: NginxHTTPRequest, claims: CarriedClaims): void {
  const headersOut = r.headersOut;
  Object.keys(claims).forEach((variable) => {
    headersOut[answerHeaderOf(variable)] = claims[variable] as string;
  });
}

/**
 * Answers a request with its refusal.
 * @param page see formatCors
 */
export function sendRefusal(r: NginxHTTPRequest, outcome: RefusedOutcome, page: string): void {
  const answer = formatRefusal(outcome.reason, outcome);
  if (outcome.limit !== undefined) sendHeaders(r, formatLimitHeaders(outcome.limit));
  sendHeaders(r, answer.headers.concat(formatCors(page)));
  r.return(answer.status, answer.body);
}

/** Adds headers to the answer. */
export function sendHeaders(r: NginxHTTPRequest, headers: [name: string, value: string][]): void {
  const headersOut = r.headersOut;
  for (let i = 0; i < headers.length; i++) {
    const header = headers[i] as [string, string];
    headersOut[header[0]] = header[1];
  }
}

/** The page that asks a route of ours, as routes.conf says (formatCors). */
export function pageOf(r: NginxHTTPRequest): string {
  return r.variables.http_x_keygate_page || '';
}

/** Refuses a request to a route of ours; the access log takes the reason from a header (nginx/snippets/asking.conf). */
export function sendRouteRefusal(r: NginxHTTPRequest, outcome: RefusedOutcome): void {
  r.headersOut['X-Keygate-Reason'] = outcome.reason;
  sendRefusal(r, outcome, pageOf(r));
}
