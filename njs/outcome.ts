// An outcome put into nginx: identity into variables, a refusal into an answer. Nothing with a control
// character goes into a variable (rule 4): identities come encoded, reasons are our own words.

import { formatRefusal } from '../auth/answer.js';
import type { Reason } from '../auth/refusals.js';
import { formatSubject } from '../auth/subject.js';
import type { Principal } from '../auth/verdict.js';

/** Who a request acts as, encoded for headers. */
export interface Identity {
  user: string;
  issuer: string;
  method: string;
}

export interface AdmittedOutcome {
  admitted: true;
  identity: Identity;
}

export interface RefusedOutcome {
  admitted: false;
  reason: Reason;
  retryAfterSeconds?: number;
  requiredScope?: string;
  allow?: string;
}

export type Outcome = AdmittedOutcome | RefusedOutcome;

/** Encodes a principal for headers and logs. */
export function identify(principal: Principal): Identity {
  return {
    user: formatSubject(principal.subject),
    issuer: formatSubject(principal.issuer),
    method: principal.method,
  };
}

/** Gives an admitted request its identity; the location's permission to decide is spent (rule 6). */
export function expose(r: NginxHTTPRequest, identity: Identity): void {
  const variables = r.variables;
  variables.keygate_armed = '';
  variables.keygate_user = identity.user;
  variables.keygate_issuer = identity.issuer;
  variables.keygate_method = identity.method;
  variables.keygate_reason = '';
}

/** Records a refusal for the log and, through auth_request, for the named location that answers. */
export function recordRefusal(r: NginxHTTPRequest, outcome: RefusedOutcome): void {
  const variables = r.variables;
  variables.keygate_armed = '';
  variables.keygate_user = '';
  variables.keygate_issuer = '';
  variables.keygate_method = '';
  variables.keygate_reason = outcome.reason || 'internal_error'; // a decision that was none
  variables.keygate_retry_after = String(outcome.retryAfterSeconds || '');
}

/** Records a refusal and answers with it. */
export function sendRefusal(r: NginxHTTPRequest, outcome: RefusedOutcome): void {
  recordRefusal(r, outcome);
  const answer = formatRefusal(outcome.reason, outcome);
  for (let i = 0; i < answer.headers.length; i++) {
    const header = answer.headers[i] as [string, string];
    r.headersOut[header[0]] = header[1];
  }
  r.return(answer.status, answer.body);
}
