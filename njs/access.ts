// js_access: the decision in nginx's access phase. js_access admits whatever does not refuse, also a handler
// that never ends, so a refusal comes first and `r.decline()` is the one way past it (rule 1).

import { expose } from './identity.js';
import { openKeyShortcut } from './key_shortcut.js';
import { exposeKnown } from './known.js';
import { rememberHere } from './known_here.js';
import { loadCold } from './load_cold.js';
import type { Outcome } from './outcome.js';

/** Lets an admitted request go on and answers a refused one. */
export function access(r: NginxHTTPRequest): Promise<void> | void {
  r.return(500);
  const variables = r.variables;
  const question = variables.keygate_question as string;
  if (exposeKnown(question, variables)) {
    r.decline();
    return;
  }
  return loadCold().judge(r, { asked: question, remember: rememberHere, openKeyShortcut, answer });
}

function answer(r: NginxHTTPRequest, outcome: Outcome): void {
  if (outcome.admitted === true) {
    expose(r.variables, outcome.principal);
    r.decline();
    return;
  }
  loadCold().sendRefusal(r, outcome);
}
