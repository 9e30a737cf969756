// auth_request: the same decision in a subrequest. nginx takes 2xx, 401 and 403 from it and nothing else of the
// answer, so the real status travels in variables to the named locations (rules 2 and 4).

import { refusals, type Reason } from '../auth/refusals.js';
import { judge } from './judge.js';
import { recallHere } from './known_here.js';
import { oneLine } from './one_line.js';
import { expose, recordRefusal, sendRefusal } from './outcome.js';

/** The target of auth_request: 204 admits, 403 refuses. */
export function verify(r: NginxHTTPRequest): Promise<void> | void {
  const known = recallHere(r);
  if (known === undefined) return decideThenAnswer(r);
  expose(r, known);
  r.return(204);
}

async function decideThenAnswer(r: NginxHTTPRequest): Promise<void> {
  const outcome = await judge(r);
  if (outcome.admitted === true) {
    expose(r, outcome.identity);
    r.return(204);
    return;
  }
  recordRefusal(r, outcome);
  r.return(403, 'refused'); // with a body: an inherited error_page can't turn it into a pass
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

function isReason(text: string | undefined): text is Reason {
  return text !== undefined && Object.prototype.hasOwnProperty.call(refusals, text);
}
