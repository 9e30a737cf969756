// One set of API keys as the sidecar looks them up: from the environment, the key file and the snapshot of a cluster.

import { createHash } from 'node:crypto';
import { gatherKeys, keysGeneration, type PlacedProblem } from '../../auth/key_sources.js';
import type { KeyEntry } from '../../auth/key_record.js';
import { parseSnapshot, type Snapshot } from '../../auth/snapshot.js';
import { nodePlatform } from '../../node/crypto.js';
import { FileFault, textOf } from '../../node/regular_file.js';

/** One loaded set; never changed once made. */
export interface LoadedKeys {
  generation: string;
  byDigest: Map<string, KeyEntry>;
  hashedById: Map<string, KeyEntry>;
  hashedWithoutId: KeyEntry[];
}

/** A file's content, and SHA-256 of its bytes. */
export interface Digested<Content> {
  content: Content;
  digest: string;
}

export interface KeyContents {
  apiKey: string;
  apiKeys: string;
  /** The text of the key file; undefined for no file. */
  file: Digested<string> | undefined;
  /** Undefined without a cluster. */
  snapshot: Digested<Snapshot> | undefined;
}

/**
 * Reads a key file.
 * @throws FileFault when the content can't be a key file
 */
export function readKeyFile(bytes: Buffer): Digested<string> {
  return { content: textOf(bytes), digest: digestOf(bytes) };
}

/**
 * Reads a snapshot.
 * @throws FileFault when the content can't be a snapshot
 */
export function readSnapshot(bytes: Buffer): Digested<Snapshot> {
  const snapshot = parseSnapshot(textOf(bytes));
  if ('fault' in snapshot) throw new FileFault(snapshot.fault);
  return { content: snapshot, digest: digestOf(bytes) };
}

function digestOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('base64url');
}

/** Names the contents as nginx does. */
export function generationOf({ apiKey, apiKeys, file, snapshot }: KeyContents): string {
  const digests = { fileDigest: file?.digest ?? '', snapshotDigest: snapshot?.digest ?? '' };
  return keysGeneration({ apiKey, apiKeys, ...digests }, nodePlatform);
}

/**
 * Loads a set.
 * @param secret the HMAC key of the fingerprints, which names the revoked keys too
 * @returns the set, and the lines that are not used
 */
export function loadKeys(contents: KeyContents, secret: string): { keys: LoadedKeys; problems: PlacedProblem[] } {
  const { apiKey, apiKeys, file, snapshot } = contents;
  const sources = { apiKey, apiKeys, fileText: file?.content ?? '', snapshot: snapshot?.content };
  const { entries, problems } = gatherKeys(sources, secret, nodePlatform);
  const keys: LoadedKeys = {
    generation: generationOf(contents),
    byDigest: new Map(),
    hashedById: new Map(),
    hashedWithoutId: [],
  };
  for (const entry of entries) addTo(keys, entry);
  return { keys, problems };
}

function addTo(keys: LoadedKeys, entry: KeyEntry): void {
  if (entry.kind !== 'bcrypt') keys.byDigest.set(entry.hash, entry);
  else if (entry.id === '') keys.hashedWithoutId.push(entry);
  else keys.hashedById.set(entry.id, entry);
}
