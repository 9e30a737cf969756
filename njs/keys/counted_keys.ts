// Which API keys are counted one by one: the first 1,000 ids of the set in use. All others count as `other`, so that
// the number of series is bounded.

import { count, counters, countIn, countLost } from '../counters.js';
import { keepText, readText } from '../texts.js';

/** Counts a request of an API key: under its id where the id is counted by itself, else under `other`. */
export function countKey(keyId: string, isRefused: boolean): void {
  const dictionary = counters();
  if (dictionary === undefined) return;
  const name = `k|${keyId}` as const;
  const isCounted = dictionary.has(name);
  countIn(dictionary, isCounted ? name : 'k|other', 1);
  if (isRefused) countIn(dictionary, isCounted ? `x|${keyId}` : 'x|other', 1);
}

const maxKeys = 1000;
const separator = '\n';

/** @returns the ids of API keys that are counted one by one */
export function countedKeys(): string[] {
  const text = readText('keys') || '';
  return text === '' ? [] : text.split(separator);
}

/**
 * Begins to count the first 1,000 ids of a new set of API keys. The counts of ids that are gone are added to `other`.
 * @param keyIds of the set; may be more, and may repeat
 */
export function trackKeys(keyIds: string[]): void {
  const dictionary = counters();
  if (dictionary === undefined) return;
  const chosen = firstDistinct(keyIds);
  const before = countedKeys();
  before.forEach((id) => {
    if (chosen.isChosen[id] !== true) forgetKey(dictionary, id);
  });
  chosen.ids.forEach((id) => {
    try {
      dictionary.add(`k|${id}`, 0);
    } catch (_) {
      countLost(dictionary); // the key counts as `other`
    }
  });
  if (!keepText('keys', chosen.ids.join(separator))) countLost(dictionary);
}

function firstDistinct(keyIds: string[]): { ids: string[]; isChosen: { [id: string]: true } } {
  const isChosen = Object.create(null) as { [id: string]: true };
  const ids: string[] = [];
  for (let i = 0; i < keyIds.length && ids.length < maxKeys; i++) {
    const id = keyIds[i] as string;
    if (isChosen[id] === true) continue;
    isChosen[id] = true;
    ids.push(id);
  }
  return { ids, isChosen };
}

function forgetKey(dictionary: NgxSharedDict<number>, id: string): void {
  const requests = dictionary.get(`k|${id}`) || 0;
  const refusals = dictionary.get(`x|${id}`) || 0;
  (['k', 'x', 'u', 'p'] as const).forEach((kind) => dictionary.delete(`${kind}|${id}`));
  if (requests > 0) count('k|other', requests);
  if (refusals > 0) count('x|other', refusals);
}
