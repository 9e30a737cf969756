// The short way for an API key that this context sees for the first time. The whole decision opens it when it has
// admitted one by its digest: from then on, for those settings and that generation, all that remains is to look the key
// up. Whatever is not exactly such a key is left to the whole decision. QuickJS only: no context lives on elsewhere.

import { checkForm, looksDoubled, usualCredential } from '../auth/credential.js';
import { decideRecord } from '../auth/key_record.js';
import { sha256 } from './hash.js';
import { findRecord, type KeyZone } from './key_set.js';
import { knownOf, type Known } from './known_admission.js';
import { rememberHere } from './known_here.js';
import { readGeneration } from './state.js';

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
  const { shortcut } = opened;
  if (shortcut === undefined) return undefined;
  const { beginning, generation, zone } = shortcut;
  if (question.length > beginning.length + maxCharacters || !question.startsWith(beginning)) return undefined;
  const credential = readKey(question.slice(beginning.length));
  if (credential === undefined || readGeneration() !== generation) return undefined;
  const record = findRecord(zone, sha256(credential));
  if (record === undefined) return undefined;
  const verdict = decideRecord(record, Date.now() / 1000);
  // Read again: the zone may have been cleared for other keys meanwhile.
  if (!verdict.admitted || readGeneration() !== generation) return undefined;
  const known = knownOf(question, verdict.principal, generation);
  rememberHere(known);
  return known;
}

/** @param joined three header values, as a question ends: line feeds stand between them and nowhere else */
function readKey(joined: string): string | undefined {
  const values = joined.split('\n');
  const credential = usualCredential({
    apiKey: values[0] as string,
    xApiKey: values[1] as string,
    authorization: values[2] as string,
  });
  if (credential === undefined || looksDoubled(credential)) return undefined;
  const form = checkForm(credential);
  return 'reason' in form || form.tokenParts !== undefined ? undefined : credential;
}
