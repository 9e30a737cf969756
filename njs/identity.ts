// Who an admitted request acts as, put into nginx's variables. Nothing with a control character goes into one (rule 4):
// principals come encoded for headers.

import type { Principal } from '../auth/verdict.js';

/** Gives an admitted request its identity; the location's permission to decide is spent (rule 6). */
export function expose(variables: NginxVariables, principal: Principal): void {
  variables.keygate_armed = principal.method; // $keygate_method is read from it
  variables.keygate_user = principal.subject;
  variables.keygate_issuer = principal.issuer;
  variables.keygate_reason = '';
}
