// auth_request: the same decision in a subrequest. nginx takes 2xx, 401 and 403 from it and nothing else of the
// answer, so the real status travels in variables to the named locations (rules 2 and 4; refusal_answer.ts).

import { expose } from './identity.js';
import { openKeyShortcut } from './key_shortcut.js';
import { exposeKnown } from './known.js';
import { rememberHere } from './known_here.js';
import { loadCold } from './load_cold.js';
import type { Outcome } from './outcome.js';

/** The target of auth_request: 204 admits, 403 refuses. */
export function verify(r: NginxHTTPRequest): Promise<void> | void {
  const variables = r.variables;
  const question = variables.keygate_question as string;
  if (exposeKnown(question, variables)) {
    r.return(204);
    return;
  }
  return loadCold().judge(r, { asked: question, remember: rememberHere, openKeyShortcut, answer });
}

function answer(r: NginxHTTPRequest, outcome: Outcome): void {
  if (outcome.admitted === true) {
    expose(r.variables, outcome.principal);
    r.return(204);
    return;
  }
  loadCold().recordRefusal(r, outcome);
  r.return(403, 'refused'); // with a body: an inherited error_page can't turn it into a pass
}
