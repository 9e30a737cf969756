// What is known about a question without deciding it: in this context, or, where contexts do not live on, everywhere.

import { isPlain, usualFileName } from '../auth/question.js';
import type { Principal } from '../auth/verdict.js';
import { credentialHeaders } from './credential_headers.js';
import { admitKey } from './key_shortcut.js';
import { fileName, recallEverywhere } from './known_everywhere.js';
import { recallHere } from './known_here.js';

/** @returns whom to admit at once, or undefined: a decision is needed */
export function recall(question: string, variables: NginxVariables): Principal | undefined {
  if (KEYGATE_QUICKJS) return recallHere(question) || admitKey(question);
  const name = isPlain(question) ? usualFileName(question, credentialHeaders(variables)) : undefined;
  return name === undefined ? undefined : recallEverywhere(fileName(name), Date.now() / 1000);
}
