// What an outcome means to nginx, for the two ways in.

import { expose } from './identity.js';
import { judge } from './decision/attempts.js';
import type { Memory } from './known.js';
import type { Outcome } from './outcome.js';
import { recordRefusal, sendRefusal } from './decision/refusal.js';

/** js_access: an admitted request goes on, a refused one is answered. */
export function judgeAccess(r: NginxHTTPRequest, question: string, memory: Memory): Promise<void> | void {
  return judge(r, { asked: question, memory, answer: answerAccess });
}

function answerAccess(r: NginxHTTPRequest, outcome: Outcome): void {
  if (outcome.admitted === true) {
    expose(r.variables, outcome.principal);
    r.decline();
    return;
  }
  sendRefusal(r, outcome);
}

/** auth_request: 204 admits, 403 refuses. */
export function judgeVerify(r: NginxHTTPRequest, question: string, memory: Memory): Promise<void> | void {
  return judge(r, { asked: question, memory, answer: answerVerify });
}

function answerVerify(r: NginxHTTPRequest, outcome: Outcome): void {
  if (outcome.admitted === true) {
    expose(r.variables, outcome.principal);
    r.return(204);
    return;
  }
  recordRefusal(r, outcome);
  r.return(403, 'refused'); // with a body: an inherited error_page can't turn it into a pass
}
