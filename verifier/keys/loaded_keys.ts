// One set of API keys as the sidecar looks them up: from the file and from the environment.

import { createHash } from 'node:crypto';
import { keysGeneration, parseEnvironmentKeys, parseKeyFile, type LineProblem } from '../../auth/key_file.js';
import type { KeyEntry } from '../../auth/key_record.js';
import { nodePlatform } from '../../node/crypto.js';
import { textOf } from '../../node/regular_file.js';

/** One loaded set; never changed once made. */
export interface LoadedKeys {
  generation: string;
  byDigest: Map<string, KeyEntry>;
  hashedById: Map<string, KeyEntry>;
  hashedWithoutId: KeyEntry[];
}

export interface KeySources {
  apiKey: string;
  apiKeys: string;
  /** Undefined for no file. */
  fileBytes: Buffer | undefined;
}

/** Names the content of the sources as nginx does. */
export function generationOf({ apiKey, apiKeys, fileBytes }: KeySources): string {
  const fileDigest = fileBytes === undefined ? '' : createHash('sha256').update(fileBytes).digest('base64url');
  return keysGeneration({ apiKey, apiKeys, fileDigest }, nodePlatform);
}

/**
 * Loads a set.
 * @returns the set, and the lines that are not used
 * @throws FileFault when the content can't be a key file
 */
export function loadKeys(sources: KeySources): { keys: LoadedKeys; problems: LineProblem[] } {
  const fromFile = parseKeyFile(sources.fileBytes === undefined ? '' : textOf(sources.fileBytes), nodePlatform);
  const fromEnvironment = parseEnvironmentKeys(sources.apiKey, sources.apiKeys, nodePlatform);
  const keys: LoadedKeys = {
    generation: generationOf(sources),
    byDigest: new Map(),
    hashedById: new Map(),
    hashedWithoutId: [],
  };
  for (const entry of fromEnvironment.entries) addTo(keys, entry);
  for (const entry of fromFile.entries) addTo(keys, entry);
  return { keys, problems: [...fromFile.problems, ...fromEnvironment.problems] };
}

function addTo(keys: LoadedKeys, entry: KeyEntry): void {
  if (entry.kind !== 'bcrypt') {
    if (!keys.byDigest.has(entry.hash)) keys.byDigest.set(entry.hash, entry);
  } else if (entry.id === '') keys.hashedWithoutId.push(entry);
  else keys.hashedById.set(entry.id, entry);
}
