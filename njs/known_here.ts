// Level one of the verdict cache: inside a QuickJS context, found by the whole question. Synchronous; on the old
// engine, where each request starts anew, it is left out of the bundle.

import type { Principal } from '../auth/verdict.js';

/** An admission, all in one object: nginx uses its contexts in turn, and what a hit comes upon is seldom in a CPU's cache. */
export interface Known {
  question: string;
  generation: string;
  /** Unix milliseconds; Infinity for a key without an end. */
  expiresMs: number;
  method: Principal['method'];
  subject: string;
  issuer: string;
}

type Half = Map<string, Known>;

interface Here {
  young: Half;
  /** What the young half was until it was full. */
  old: Half;
  /** Of the questions in the young half. */
  characters: number;
  /** Where the generation is; known since something was remembered. */
  state: NgxSharedDict<string> | undefined;
}

const maxEntries = 256; // a half, in each of up to 128 contexts
const maxCharacters = 65536;

/**
 * What this context knows, filed under the end of the question: that is the end of a key or of a token's signature, ten
 * times faster to hash than all of it. The whole must be compared.
 */
export const here: Here = { young: emptyHalf(), old: emptyHalf(), characters: 0, state: undefined };

function emptyHalf(): Half {
  return KEYGATE_QUICKJS ? new Map<string, Known>() : (undefined as never);
}

/** The end of a question that it is filed under. */
export const endCharacters = 48;

/** Remembers an admission. The question must be a plain one: nothing else may have had a part in the verdict. */
export function rememberHere(question: string, principal: Principal, generation: string): void {
  if (!KEYGATE_QUICKJS) return;
  if (here.young.size >= maxEntries || here.characters + question.length > maxCharacters) {
    here.old = here.young;
    here.young = emptyHalf();
    here.characters = 0;
  }
  here.state = ngx.shared.keygate_state;
  here.characters += question.length;
  const { method, subject, issuer, expiresSeconds } = principal;
  const expiresMs = expiresSeconds === undefined ? Infinity : expiresSeconds * 1000;
  here.young.set(question.slice(-endCharacters), {
    question,
    generation,
    expiresMs,
    method,
    subject,
    issuer,
  });
}
