// What is known about a question without deciding it: in this context, or everywhere.

import { isPlain, plainBeginning } from '../auth/question.js';
import { admitKey, openKeyShortcut } from './key_shortcut.js';
import type { Known } from './known_admission.js';
import { recallEverywhere, type LastFiled } from './decision/verdict_cache.js';
import { endCharacters, here, rememberHere } from './known_here.js';

/** What stays in a context and is handed to the decision, which fills it. */
export interface Memory extends LastFiled {
  /** A question that was not found everywhere, so that the decision need not look again. */
  missed: string;
  /** Of admissions that the question alone explains. QuickJS only, like the next: no other context lives on. */
  rememberHere?: typeof rememberHere;
  openKeyShortcut?: typeof openKeyShortcut;
}

export const memory: Memory = KEYGATE_QUICKJS
  ? { filed: '', name: '', missed: '', rememberHere, openKeyShortcut }
  : { filed: '', name: '', missed: '' };

/**
 * Gives a request its identity if it is known. This is all that a known credential takes: one function, and few things
 * to look at.
 * @returns whether it is admitted; otherwise a decision is needed
 */
export function exposeKnown(question: string, variables: NginxVariables): boolean {
  let known: Known | undefined;
  if (KEYGATE_QUICKJS) {
    const end = question.slice(-endCharacters);
    known = here.young.get(end) || here.old.get(end);
    if (
      known === undefined ||
      known.question !== question ||
      known.generation !== (here.state as NgxSharedDict<string>).get('generation') ||
      !(known.expiresMs > Date.now())
    ) {
      known = admitKey(question) || recallToken(question);
    }
  } else if (question.slice(0, plainBeginning.length) === plainBeginning) {
    // isPlain() would be one more function
    known = recallEverywhere(question.slice(plainBeginning.length), memory);
    if (known === undefined) memory.missed = question;
  }
  if (known === undefined) return false;
  variables.keygate_armed = known.method; // $keygate_method is read from it
  variables.keygate_user = known.subject;
  if (known.issuer !== '') variables.keygate_issuer = known.issuer;
  return true;
}

// A token that another context or worker knows: with many of both, most requests of a client come upon one that has not
// seen its token. Only for what looks like a token: keys have the short way above, and for a wrong one an HMAC is dear.
function recallToken(question: string): Known | undefined {
  if (!isPlain(question) || question.indexOf(tokenBeginning) < 0) return undefined;
  const known = recallEverywhere(question.slice(plainBeginning.length), memory);
  if (known === undefined) {
    memory.missed = question;
    return undefined;
  }
  known.question = question;
  rememberHere(known);
  return known;
}

const tokenBeginning = '\nBearer eyJ'; // `{"` in base64url: how the header of practically every JWT begins
