// The API keys in shared memory, found by the digest of a key: one lookup for any number of keys. A new set is written
// completely into the unused zone of two, and only then comes into use.

import { type KeyEntry, entryFingerprint, recordOf, type KeyRecord, type KeyTerms } from '../../auth/key_record.js';
import type { Platform } from '../../auth/platform.js';
import type { RateLimit } from '../../auth/rate_limit.js';
import { trackKeys } from './counted_keys.js';
import { clearState, readState, writeState } from './shared_state.js';

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

/** Finds a plaintext or SHA-256 key by its digest, or a certificate's entry by its hash (certificate_entry.ts). */
export function findRecord(keySet: KeySet, hash: string): KeyRecord | undefined {
  const text = zoneOf(keySet.zone).get('d' + hash);
  return text === undefined ? undefined : parseStoredRecord(text);
}

// A record is stored as its members with line feeds between them, which no member can hold. The text leaves the names
// out, since 100,000 keys fit into 64 MB only while most records take 64 bytes. `slice` takes engines a third of the
// time of JSON or `split`.
function formatStoredRecord(record: KeyRecord): string {
  return record.subject + '\n' + record.scopes.join(' ') + '\n' + formatTerms(record);
}

function parseStoredRecord(text: string): KeyRecord {
  const first = text.indexOf('\n');
  const second = text.indexOf('\n', first + 1);
  const subject = text.slice(0, first);
  const scopes = text.slice(first + 1, second);
  const { expiresSeconds, keyId, limit } = parseTerms(text.slice(second + 1));
  return { subject, scopes: scopes === '' ? [] : scopes.split(' '), expiresSeconds, keyId, limit };
}

// The limit comes last, and only where there is one.
function formatTerms({ expiresSeconds, keyId, limit }: KeyTerms): string {
  const end = formatEnd(expiresSeconds) + '\n' + keyId;
  return limit === null ? end : end + '\n' + limit.intervalMs + ' ' + limit.burst;
}

function parseTerms(text: string): KeyTerms {
  const first = text.indexOf('\n');
  const second = text.indexOf('\n', first + 1);
  const expiresSeconds = readEnd(text.slice(0, first));
  if (second < 0) return { expiresSeconds, keyId: text.slice(first + 1), limit: null };
  return { expiresSeconds, keyId: text.slice(first + 1, second), limit: parseLimit(text.slice(second + 1)) };
}

function parseLimit(text: string): RateLimit {
  const space = text.indexOf(' ');
  return { intervalMs: Number(text.slice(0, space)), burst: Number(text.slice(space + 1)) };
}

const never = 'never'; // an end of 0 is 1970

function formatEnd(expiresSeconds: number | null): string {
  return expiresSeconds === null ? never : String(expiresSeconds);
}

function readEnd(text: string): number | null {
  return text === never ? null : Number(text);
}

/** Finds the entry that a minted token names. */
export function findByFingerprint(keySet: KeySet, fingerprint: string): KeyTerms | undefined {
  const text = zoneOf(keySet.zone).get('f' + fingerprint);
  return text === undefined ? undefined : parseTerms(text);
}

/** Whether a bcrypt entry could match a key with this id (empty for a key that was not generated). */
export function mayBeHashed(keySet: KeySet, id: string): boolean {
  return id === '' ? keySet.hashedWithoutId > 0 : zoneOf(keySet.zone).get('i' + id) !== undefined;
}

export interface StoringKeys {
  generation: string;
  /** The HMAC key of the fingerprints. */
  secret: string;
  platform: Platform;
  nowMs: number;
  /** @returns whether no newer content has been read; called when no other worker can be storing a set */
  isLatest: () => boolean;
  /** Called once the set is complete, before it comes into use; false: what belongs to it does not fit. */
  keepSources: () => boolean;
  /** Whether the set may be used: none of its sources is too old. */
  isUsable: boolean;
}

/**
 * Writes a new set into the unused zone and makes it the stored one.
 * @returns `full`: the zone is too small; `busy`: another worker is storing a set; `outdated`: newer content has been
 * read. In these cases the set in use stays.
 */
export function storeKeySet(entries: KeyEntry[], storing: StoringKeys): 'stored' | 'full' | 'busy' | 'outdated' {
  if (!beginStoring(storing.nowMs)) return 'busy';
  try {
    if (!storing.isLatest()) return 'outdated';
    const before = currentKeySet();
    const zone = before !== undefined && before.zone === 'a' ? 'b' : 'a';
    const dictionary = zoneOf(zone);
    dictionary.clear();
    let hashedWithoutId = 0;
    const keyIds: string[] = [];
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i] as KeyEntry;
      if (entry.kind === 'bcrypt' && entry.id === '') hashedWithoutId++;
      const keyId = storeEntry(dictionary, entry, storing);
      if (keyId === undefined) return 'full';
      keyIds.push(keyId);
    }
    if (!storing.keepSources()) return 'full';
    const keySet: KeySet = {
      zone,
      generation: storing.generation,
      entries: entries.length,
      hashedWithoutId,
      available: storing.isUsable,
    };
    writeState('keys', JSON.stringify(keySet));
    trackKeys(keyIds);
    return 'stored';
  } finally {
    clearState('storing_ms');
  }
}

const longestMs = 20000;

// After a reload an old worker may still be storing a large file: two workers that fill a zone would mix their sets.
function beginStoring(nowMs: number): boolean {
  if (ngx.shared.keygate_state.add('storing_ms', String(nowMs))) return true;
  const sinceMs = Number(readState('storing_ms') || 0);
  if (Math.abs(nowMs - sinceMs) < longestMs) return false;
  writeState('storing_ms', String(nowMs)); // the worker that wrote the time was killed
  return true;
}

/** Stops using the stored set: it is too old. */
export function retireKeySet(): void {
  const before = currentKeySet();
  if (before !== undefined) writeState('keys', JSON.stringify(Object.assign({}, before, { available: false })));
}

// Returns the entry's id for logs and metrics, or undefined where the zone is full.
function storeEntry(dictionary: KeyZone, entry: KeyEntry, storing: StoringKeys): string | undefined {
  const fingerprint = entryFingerprint(entry, storing.secret, storing.platform);
  const record = recordOf(entry, fingerprint);
  try {
    dictionary.set('f' + fingerprint, formatTerms(record));
    if (entry.kind !== 'bcrypt') dictionary.set('d' + entry.hash, formatStoredRecord(record));
    else if (entry.id !== '') dictionary.set('i' + entry.id, '1');
    return record.keyId;
  } catch (_) {
    return undefined; // SharedMemoryError
  }
}

type KeyZone = NgxSharedDict<string>;

function zoneOf(zone: KeySet['zone']): KeyZone {
  return zone === 'a' ? ngx.shared.keygate_keys_a : ngx.shared.keygate_keys_b;
}
