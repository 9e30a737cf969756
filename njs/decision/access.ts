// js_access: the same decision inside the guarded request (nginx/snippets/guard_access.conf). js_access admits whatever
// does not refuse, also a handler that never ends, so a refusal comes first and `r.decline()` is the one way past it
// (rule 1 in docs/nginx-traps.md).

import { isRequestId } from '../../auth/request_id.js';
import { decideAndAnswer, type Outcome } from './attempts.js';
import { ownSource } from './question.js';
import { sendRefusal } from './refusal.js';

/** Lets an admitted request go on and answers a refused one. */
export function access(r: NginxHTTPRequest): Promise<void> | void {
  r.return(500);
  const variables = r.variables;
  const clientsId = variables.http_x_request_id;
  if (clientsId && isRequestId(clientsId)) variables.keygate_client_request_id = clientsId;
  return decideAndAnswer(r, ownSource, answer);
}

function answer(r: NginxHTTPRequest, outcome: Outcome): void {
  const variables = r.variables;
  if (outcome.admitted !== true) {
    variables.keygate_reason = outcome.reason;
    sendRefusal(r, outcome);
    return;
  }
  const { method, subject, issuer } = outcome.principal;
  variables.keygate_admitted = method || 'preflight';
  variables.keygate_user = subject;
  if (issuer !== '') variables.keygate_issuer = issuer;
  r.decline();
}
