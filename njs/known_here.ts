// Level one of the verdict cache: inside a QuickJS context, found by the end of a question, then compared as a whole.
// Synchronous; on the old engine, where each request starts anew, it is left out of the bundle.

import type { Known } from './known_admission.js';

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
export const here: Here = KEYGATE_QUICKJS
  ? { young: emptyHalf(), old: emptyHalf(), characters: 0, state: undefined }
  : (undefined as never);

function emptyHalf(): Half {
  return new Map<string, Known>();
}

/** The end of a question that it is filed under. */
export const endCharacters = 48;

/** Remembers an admission. The question must be a plain one: nothing else may have had a part in the verdict. */
export function rememberHere(known: Known): void {
  const { question } = known;
  if (here.young.size >= maxEntries || here.characters + question.length > maxCharacters) {
    here.old = here.young;
    here.young = emptyHalf();
    here.characters = 0;
  }
  here.state = ngx.shared.keygate_state;
  here.characters += question.length;
  here.young.set(question.slice(-endCharacters), known);
}
