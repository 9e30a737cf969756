// auth_request: the same decision in a subrequest. nginx takes 2xx, 401 and 403 from it and nothing else of the
// answer, so the real status travels in variables to the named locations (rules 2 and 4; refusal_answer.ts).

import { exposeKnown, memory } from '../known.js';
import { loadCold } from '../load_cold.js';

/** The target of auth_request: 204 admits, 403 refuses. */
export function verify(r: NginxHTTPRequest): Promise<void> | void {
  const variables = r.variables;
  const question = variables.keygate_question as string;
  if (exposeKnown(question, variables)) {
    r.return(204);
    return;
  }
  return loadCold().judgeVerify(r, question, memory);
}
