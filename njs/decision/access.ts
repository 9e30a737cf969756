// js_access: the decision in nginx's access phase. js_access admits whatever does not refuse, also a handler
// that never ends, so a refusal comes first and `r.decline()` is the one way past it (rule 1).

import { exposeKnown, memory } from '../known.js';
import { loadCold } from '../load_cold.js';

/** Lets an admitted request go on and answers a refused one. */
export function access(r: NginxHTTPRequest): Promise<void> | void {
  r.return(500);
  const variables = r.variables;
  const question = variables.keygate_question as string;
  if (exposeKnown(question, variables)) {
    r.decline();
    return;
  }
  return loadCold().judgeAccess(r, question, memory);
}
