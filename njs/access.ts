// js_access: the decision in nginx's access phase. js_access admits whatever does not refuse, also a handler
// that never ends, so a refusal comes first and `r.decline()` is the one way past it (rule 1).

import { judge } from './judge.js';
import { recallHere } from './known_here.js';
import { expose, sendRefusal } from './outcome.js';

/** Lets an admitted request go on and answers a refused one. */
export function access(r: NginxHTTPRequest): Promise<void> | void {
  r.return(500);
  const known = recallHere(r);
  if (known === undefined) return decideThenAnswer(r);
  expose(r, known);
  r.decline();
}

async function decideThenAnswer(r: NginxHTTPRequest): Promise<void> {
  const outcome = await judge(r);
  if (outcome.admitted === true) {
    expose(r, outcome.identity);
    r.decline();
    return;
  }
  sendRefusal(r, outcome);
}
