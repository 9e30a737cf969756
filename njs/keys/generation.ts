// A new generation of keys: a random text in shared memory that changes with everything that a verdict rests on.

import { count } from '../counters.js';
import { randomText, sha256 } from '../platform.js';
import { readGeneration, readState, writeState, type StateName } from './shared_state.js';
import { jwksSources } from './stored_providers.js';

const parts: StateName[] = ['keys', 'denied', 'shared_denied', 'providers_mode', 'providers'];

/**
 * Makes a new generation of the sets that are stored now. No generation is used twice, not even for the same content. A
 * verdict from the time of a change may be cached under the generation before, and must not count again.
 */
export function switchGeneration(): void {
  const texts = parts.concat(jwksSources()).map((part) => readState(part) || '');
  const content = sha256(texts.join('\n'));
  if (readGeneration() !== undefined && readState('content') === content) return;
  writeState('generation', randomText(16));
  writeState('content', content);
  count('generations', 1);
}
