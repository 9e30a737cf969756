// What is known about a question without deciding it: in this context, or, where contexts do not live on, everywhere.

import { isPlain, usualFileName } from '../auth/question.js';
import { credentialHeaders } from './credential_headers.js';
import { exposePlain } from './identity.js';
import { admitKey } from './key_shortcut.js';
import { fileName, recallEverywhere } from './known_everywhere.js';
import { endCharacters, here } from './known_here.js';

/**
 * Gives a request its identity if it is known. This is all that a known credential takes: one function, and few things
 * to look at.
 * @returns whether it is admitted; otherwise a decision is needed
 */
export function exposeKnown(question: string, variables: NginxVariables): boolean {
  if (!KEYGATE_QUICKJS) return exposeKnownEverywhere(question, variables);
  const end = question.slice(-endCharacters);
  const known = here.young.get(end) || here.old.get(end);
  if (
    known === undefined ||
    known.question !== question ||
    known.generation !== (here.state as NgxSharedDict<string>).get('generation') ||
    !(known.expiresMs > Date.now())
  ) {
    return exposePlain(variables, admitKey(question));
  }
  variables.keygate_armed = known.method;
  variables.keygate_user = known.subject;
  if (known.issuer !== '') variables.keygate_issuer = known.issuer;
  return true;
}

function exposeKnownEverywhere(question: string, variables: NginxVariables): boolean {
  const name = isPlain(question) ? usualFileName(question, credentialHeaders(variables)) : undefined;
  return name !== undefined && exposePlain(variables, recallEverywhere(fileName(name), Date.now() / 1000));
}
