// The API keys in shared memory, found by the digest of a key: one lookup however many there are. Two zones: a
// new set is written completely into the unused one, then switched to.

import { entryFingerprint, entrySubject, type KeyEntry } from '../auth/key_entry.js';
import type { KeyRecord } from '../auth/decide.js';
import type { Platform } from '../auth/platform.js';
import { readState, writeState } from './state.js';

/** Which set is in use, and what it lacks. */
export interface KeySet {
  zone: 'a' | 'b';
  /** Generation of the keys alone, as the sidecar computes it too. */
  generation: string;
  entries: number;
  /** How many bcrypt entries have no id: each unknown key may match one of them. */
  hashedWithoutId: number;
  /** False once the last good set is too old to be used. */
  available: boolean;
}

// Parsed once per context and generation.
const latest: { generation: string; keySet: KeySet | undefined } = { generation: '', keySet: undefined };

/** @returns the set in use, or undefined until one was loaded */
export function readKeySet(generation: string): KeySet | undefined {
  if (latest.generation !== generation) {
    latest.keySet = currentKeySet();
    latest.generation = generation;
  }
  return latest.keySet;
}

/** @returns what is stored now, read anew */
export function currentKeySet(): KeySet | undefined {
  const text = readState('keys');
  return text === undefined ? undefined : (JSON.parse(text) as KeySet);
}

/** Finds a plaintext or SHA-256 key by its digest. */
export function findKey(keySet: KeySet, digest: string): KeyRecord | undefined {
  const text = zoneOf(keySet.zone).get('d' + digest);
  if (text === undefined) return undefined;
  const [subject, scopes, expires, fingerprint] = JSON.parse(text) as [string, string[], number, string];
  return { subject, scopes, expiresSeconds: expires === 0 ? undefined : expires, fingerprint };
}

/** Whether a bcrypt entry could match a key with this id (empty for a key that was not generated). */
export function mayBeHashed(keySet: KeySet, id: string): boolean {
  return id === '' ? keySet.hashedWithoutId > 0 : zoneOf(keySet.zone).get('i' + id) !== undefined;
}

/**
 * Until when the entry holds that a minted token came from.
 * @returns Unix seconds, Infinity for one without an end, undefined when it does not stand or has expired
 */
export function entryEnds(keySet: KeySet, fingerprint: string, nowSeconds: number): number | undefined {
  const expires = zoneOf(keySet.zone).get('f' + fingerprint);
  if (expires === undefined) return undefined;
  const ends = Number(expires) || Infinity;
  return ends > nowSeconds ? ends : undefined;
}

/**
 * Writes a new set into the unused zone and makes it the stored one.
 * @param secret under which fingerprints are made
 * @throws SharedMemoryError when the zone is too small; the set in use stays
 */
export function storeKeySet(
  entries: KeyEntry[],
  set: { generation: string; secret: string; platform: Platform },
): void {
  const before = currentKeySet();
  const zone = before !== undefined && before.zone === 'a' ? 'b' : 'a';
  const dictionary = zoneOf(zone);
  dictionary.clear();
  for (let i = 0; i < entries.length; i++) storeEntry(dictionary, entries[i] as KeyEntry, set);
  const hashedWithoutId = entries.filter((entry) => entry.kind === 'bcrypt' && entry.id === '').length;
  const keySet: KeySet = {
    zone,
    generation: set.generation,
    entries: entries.length,
    hashedWithoutId,
    available: true,
  };
  writeState('keys', JSON.stringify(keySet));
}

/** Stops using the stored set: it is too old. */
export function retireKeySet(): void {
  const before = currentKeySet();
  if (before !== undefined)
    writeState('keys', JSON.stringify(Object.assign({}, before, { available: false })));
}

function storeEntry(
  dictionary: NgxSharedDict<string>,
  entry: KeyEntry,
  set: { secret: string; platform: Platform },
): void {
  const fingerprint = entryFingerprint(entry, set.secret, set.platform);
  const expires = entry.expiresSeconds || 0;
  dictionary.set('f' + fingerprint, String(expires));
  if (entry.kind === 'bcrypt') {
    if (entry.id !== '') dictionary.set('i' + entry.id, '1');
    return;
  }
  const record = [entrySubject(entry, fingerprint), entry.scopes, expires, fingerprint];
  dictionary.set('d' + entry.hash, JSON.stringify(record));
}

function zoneOf(zone: 'a' | 'b'): NgxSharedDict<string> {
  return zone === 'a' ? ngx.shared.keygate_keys_a : ngx.shared.keygate_keys_b;
}
