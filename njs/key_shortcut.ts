// The short way for an API key that this context sees for the first time. The whole decision opens it when it has
// admitted one by its digest: from then on, for those settings and that generation, all that remains is to look the key
// up. Whatever is not exactly such a key is left to the whole decision. QuickJS only: no context lives on elsewhere.

import { sha256 } from './hash.js';
import { digestName, never, type KeyZone } from './keys/key_set.js';
import type { Known } from './known_admission.js';
import { rememberHere } from './known_here.js';
import { readGeneration } from './keys/shared_state.js';

export interface KeyShortcut {
  /** How a question begins with settings that are good and require no scope; what follows are its three headers. */
  beginning: string;
  generation: string;
  /** The keys of that generation, neither missing nor too old. */
  zone: KeyZone;
}

const maxCharacters = 256; // of the headers: a longer credential is no generated key, and most are tokens

const opened: { shortcut: KeyShortcut | undefined } = { shortcut: undefined };

/** Opens the short way, in the place of the one before. */
export function openKeyShortcut(shortcut: KeyShortcut): void {
  opened.shortcut = shortcut;
}

/** @returns whom to admit, or undefined: the whole decision is needed */
export function admitKey(question: string): Known | undefined {
  const shortcut = opened.shortcut;
  if (shortcut === undefined) return undefined;
  const start = shortcut.beginning.length;
  if (question.length > start + maxCharacters || !question.startsWith(shortcut.beginning)) return undefined;
  const credential = readKey(question, start);
  const generation = shortcut.generation;
  if (!usual.test(credential) || readGeneration() !== generation) return undefined;
  const text = shortcut.zone.get(digestName(sha256(credential)));
  if (text === undefined) return undefined;
  const subjectEnd = text.indexOf('\n'); // not `split`: QuickJS takes longer for an array than for all that is done here
  const expires = text.slice(subjectEnd + 1, text.indexOf('\n', subjectEnd + 1));
  const expiresMs = expires === never ? Infinity : Number(expires) * 1000;
  // Read again: the zone may have been cleared for other keys meanwhile.
  if (!(expiresMs > Date.now()) || readGeneration() !== generation) return undefined;
  const subject = text.slice(0, subjectEnd);
  const known: Known = { question, generation, expiresMs, method: 'api_key', subject, issuer: '' };
  rememberHere(known);
  return known;
}

// What readCredential may see in another way is left to it: a comma may come from a header sent twice, dots from a token.
const usual = /^[!-+\-/-~]+$/;

/**
 * The credential where one header was sent, else something with a line feed or nothing.
 * @param start where Api-Key, X-Api-Key and Authorization begin, with line feeds between them and nowhere else
 */
function readKey(question: string, start: number): string {
  const end = question.length;
  if (question.charCodeAt(start) !== lineFeed) return question.slice(start, end - 2);
  if (question.charCodeAt(end - 1) === lineFeed) return question.slice(start + 1, end - 1);
  return question.slice(start, start + bearer.length) === bearer ? question.slice(start + bearer.length) : '';
}

const lineFeed = 10;
const bearer = '\n\nBearer ';
