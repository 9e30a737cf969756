// Level one of the verdict cache: inside a QuickJS context, found by the whole question. Synchronous; on the old
// engine, where each request starts anew, it is left out of the bundle.

import type { Principal } from '../auth/verdict.js';
import { readGeneration } from './state.js';

interface Known {
  question: string;
  principal: Principal;
  generation: string;
  /** Unix milliseconds; Infinity for a key without an end. */
  expiresMs: number;
}

type Half = Map<string, Known>;

const maxEntries = 256; // a half, in each of up to 128 contexts
const maxCharacters = 65536;
const endCharacters = 48;

// Two halves: when the young one is full it becomes the old one and the old one is dropped.
const memory = KEYGATE_QUICKJS ? { young: emptyHalf(), old: emptyHalf(), characters: 0 } : undefined;

function emptyHalf(): Half {
  return new Map();
}

// A question ends with its credential, a token with its signature: to hash that end is enough, and ten times faster
// than to hash it all. The whole is compared.
function endOf(question: string): string {
  return question.slice(-endCharacters);
}

/**
 * What this context knows.
 * @returns whom to admit, or undefined: a decision is needed
 */
export function recallHere(question: string): Principal | undefined {
  if (!KEYGATE_QUICKJS || memory === undefined) return undefined;
  const end = endOf(question);
  const known = memory.young.get(end) || memory.old.get(end);
  if (known === undefined || known.question !== question) return undefined;
  if (known.generation !== readGeneration()) return undefined;
  return known.expiresMs === Infinity || known.expiresMs > Date.now() ? known.principal : undefined;
}

/** Remembers an admission. The question must be a plain one: nothing else may have had a part in the verdict. */
export function rememberHere(question: string, principal: Principal, generation: string): void {
  if (!KEYGATE_QUICKJS || memory === undefined) return;
  if (memory.young.size >= maxEntries || memory.characters + question.length > maxCharacters) {
    memory.old = memory.young;
    memory.young = emptyHalf();
    memory.characters = 0;
  }
  const { expiresSeconds } = principal;
  const expiresMs = expiresSeconds === undefined ? Infinity : expiresSeconds * 1000;
  memory.young.set(endOf(question), { question, principal, generation, expiresMs });
  memory.characters += question.length;
}
