// The decision server's answer to a guarded location: 204 admits, 401 and 403 refuse (rules 2 and 4 in
// docs/nginx-traps.md). js_content begins with a 500, so whatever goes wrong here admits nobody.

import { decideAndAnswer, type Outcome } from './attempts.js';
import { askedSource } from './question.js';
import { sendVerdict } from './refusal.js';

/** js_content of the decision server. */
export function ask(r: NginxHTTPRequest): Promise<void> | void {
  return decideAndAnswer(r, askedSource, answer);
}

function answer(r: NginxHTTPRequest, outcome: Outcome): void {
  if (outcome.admitted !== true) return sendVerdict(r, outcome);
  const { method, subject, issuer } = outcome.principal;
  const headersOut = r.headersOut;
  headersOut['X-Keygate-Admitted'] = method || 'preflight';
  if (subject !== '') headersOut['X-Keygate-User'] = subject;
  if (issuer !== '') headersOut['X-Keygate-Issuer'] = issuer;
  r.return(204);
}
