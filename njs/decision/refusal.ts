// A refusal put into nginx: into variables for the log, and into an answer. auth_request lets only variables through,
// so the named locations of server.conf answer with what was recorded there (rule 4).

import { formatRefusal } from '../../auth/answer.js';
import { isReason, type Reason } from '../../auth/refusals.js';
import { oneLine } from '../log.js';
import type { RefusedOutcome } from '../outcome.js';

/** Records a refusal for the log and, through auth_request, for the named location that answers. */
export function recordRefusal(r: NginxHTTPRequest, outcome: RefusedOutcome): void {
  const variables = r.variables;
  variables.keygate_armed = '';
  variables.keygate_user = '';
  variables.keygate_issuer = '';
  variables.keygate_reason = outcome.reason || 'internal_error'; // a decision that was none
  variables.keygate_retry_after = String(outcome.retryAfterSeconds || '');
}

/** Records a refusal and answers with it. */
export function sendRefusal(r: NginxHTTPRequest, outcome: RefusedOutcome): void {
  recordRefusal(r, outcome);
  const answer = formatRefusal(outcome.reason, outcome);
  const headersOut = r.headersOut;
  for (let i = 0; i < answer.headers.length; i++) {
    const header = answer.headers[i] as [string, string];
    headersOut[header[0]] = header[1];
  }
  r.return(answer.status, answer.body);
}

/** 403 of a guarded location: ours, or the operator's own `deny`. */
export function denied(r: NginxHTTPRequest): void {
  answerRecorded(r, 'forbidden');
}

/** 500 of a guarded location: no decision was reached. */
export function failed(r: NginxHTTPRequest): void {
  if (r.variables.request_length === '0') return refuseSubrequest(r);
  answerRecorded(r, 'internal_error');
}

// Variables are the main request's too, so nothing is recorded.
function refuseSubrequest(r: NginxHTTPRequest): void {
  const path = oneLine(r.variables.uri);
  r.error('keygate: a subrequest to a guarded location is refused, nginx would ask nobody: ' + path);
  r.return(500, 'a guarded location takes no subrequests');
}

/** What nginx itself refuses; the location has set the reason. */
export function refuse(r: NginxHTTPRequest): void {
  answerRecorded(r, 'internal_error');
}

function answerRecorded(r: NginxHTTPRequest, otherwise: Reason): void {
  const recorded = r.variables.keygate_reason;
  sendRefusal(r, {
    admitted: false,
    reason: isReason(recorded) ? recorded : otherwise,
    retryAfterSeconds: Number(r.variables.keygate_retry_after) || 1,
    requiredScope: r.variables.keygate_require_scope || '',
  });
}
