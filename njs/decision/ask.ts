// The decision server's answer to a guarded location: 204 admits, 401 and 403 refuse (rules 2 and 4 in
// docs/nginx-traps.md). js_content begins with a 500, so whatever goes wrong here admits nobody.

import { isRequestId } from '../../auth/request_id.js';
import { decideAndAnswer, type Outcome } from './attempts.js';
import { askedSource } from './question.js';
import { sendVerdict } from './refusal.js';

/** js_content of the decision server. */
export function ask(r: NginxHTTPRequest): Promise<void> | void {
  return decideAndAnswer(r, askedSource, answer);
}

function answer(r: NginxHTTPRequest, outcome: Outcome): void {
  const headersOut = r.headersOut;
  const clientsId = r.variables.http_x_request_id;
  if (clientsId && isRequestId(clientsId)) headersOut['X-Keygate-Request-Id'] = clientsId;
  if (outcome.admitted !== true) return sendVerdict(r, outcome);
  const { method, subject, issuer } = outcome.principal;
  headersOut['X-Keygate-Admitted'] = method || 'preflight';
  if (subject !== '') headersOut['X-Keygate-User'] = subject;
  if (issuer !== '') headersOut['X-Keygate-Issuer'] = issuer;
  r.return(204);
}
