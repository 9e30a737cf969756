// Which API keys the key file and the environment hold. A line that can't be used is reported by its number, never by
// its content, and the other lines still count. nginx and the sidecar share this parser.

import { isFingerprintInHex } from './certificate_entry.js';
import { splitLines } from './file_text.js';
import type { KeyEntry } from './key_record.js';
import { parseKeyLine } from './key_line.js';
import type { Platform } from './platform.js';
import type { RateLimit } from './rate_limit.js';

/** What is wrong with a line, in words fit for a log. */
export interface LineProblem {
  line: number;
  problem: string;
}

export interface KeyFile {
  entries: KeyEntry[];
  /** Lines that are not used. */
  problems: LineProblem[];
  /** Lines that are used, but that the operator should change. */
  warnings: LineProblem[];
}

const manyWithoutId = 64;
const maxLineCharacters = 4096; // the old engine takes seconds for a line of 100 KB
const lastOfSalt = 28; // the index in `$2b$12$` and 22 characters of salt
const saltEnds = '.Oeu'; // a salt of 128 bits leaves two bits for the last character

/** A larger file is refused unread: nginx's memory for keys holds far fewer lines than fit into it. */
export const maxKeyFileBytes = 33554432;

/** Parses a key file's text, as readFileText gives it. */
export function parseKeyFile(text: string, platform: Platform): KeyFile {
  const file: KeyFile = { entries: [], problems: [], warnings: [] };
  const seen: Seen = { hashes: Object.create(null) as Names, ids: Object.create(null) as Names };
  const lines = splitLines(text);
  for (let i = 0; i < lines.length; i++) {
    if ((lines[i] as string).length > maxLineCharacters) {
      file.problems.push({ line: i + 1, problem: `longer than ${maxLineCharacters} characters` });
      continue;
    }
    const line = (lines[i] as string).trim();
    if (line === '' || line.charCodeAt(0) === 35) continue; // a comment starts with #
    const parsed = parseKeyLine(line, i + 1, platform);
    if ('problem' in parsed) file.problems.push({ line: i + 1, problem: parsed.problem });
    else addEntry(file, seen, parsed);
  }
  shareLimits(file.entries).forEach(({ warning }) => file.warnings.push(warning));
  const withoutId = file.entries.filter((entry) => entry.kind === 'bcrypt' && entry.id === '').length;
  if (withoutId > manyWithoutId) {
    file.warnings.push({
      line: 0,
      problem: `${withoutId} bcrypt entries have no id: each unknown key is tried against all of them`,
    });
  }
  return file;
}

/**
 * Gives lines of one name one limit, since they share one budget: the lowest of them, also for a line without rate=.
 * @returns a warning for each entry whose own limit was another, with the entry's place in the list
 */
export function shareLimits(entries: KeyEntry[]): { index: number; warning: LineProblem }[] {
  const lowest = Object.create(null) as { [name: string]: RateLimit };
  let count = 0;
  entries.forEach(({ name, limit }) => {
    const known = lowest[name];
    if (name === '' || limit === null || (known !== undefined && !isLower(limit, known))) return;
    lowest[name] = limit;
    count++;
  });
  const lowered: { index: number; warning: LineProblem }[] = [];
  if (count === 0) return lowered;
  entries.forEach((entry, index) => {
    const shared = lowest[entry.name];
    const { line, limit } = entry;
    if (shared === undefined || (limit !== null && !isLower(shared, limit))) return;
    const problem = 'another line of the same name has a lower limit, which counts for both';
    lowered.push({ index, warning: { line, problem } });
    entry.limit = shared;
  });
  return lowered;
}

function isLower(one: RateLimit, other: RateLimit): boolean {
  return one.intervalMs > other.intervalMs || (one.intervalMs === other.intervalMs && one.burst < other.burst);
}

type Names = { [name: string]: true };

interface Seen {
  hashes: Names;
  ids: Names;
}

function addEntry(file: KeyFile, seen: Seen, entry: KeyEntry): void {
  const { line, hash, id } = entry;
  if (seen.hashes[hash] === true) {
    file.problems.push({ line, problem: 'the same key stands in an earlier line, which counts' });
    return;
  }
  if (id !== '' && seen.ids[id] === true) {
    file.problems.push({ line, problem: 'the same id stands in an earlier line, which counts' });
    return;
  }
  seen.hashes[hash] = true;
  if (id !== '') seen.ids[id] = true;
  if (entry.kind === 'plaintext')
    file.warnings.push({ line, problem: 'a plaintext key: store its hash instead (keygate key hash)' });
  if (entry.kind === 'x509' && isFingerprintInHex(entry.text))
    file.warnings.push({
      line,
      problem: 'the fingerprint is in hex: it counts, but base64url is what tokens have too',
    });
  if (entry.kind === 'bcrypt' && saltEnds.indexOf(hash.charAt(lastOfSalt)) < 0)
    file.warnings.push({
      line,
      problem: 'no key can match this bcrypt hash: its salt has a wrong end; hash the key again',
    });
  file.entries.push(entry);
}

// The values in the README and the examples of the original project, and what people type in their place.
const placeholder =
  /^(?:your[-_].*|.*your[-_](?:token|key|api[-_]?key).*|.*[-_]here|change[-_]?me|my-secret-key|<.*>|x{3,}|key[1-3])$/i;

/** Parses API_KEY (one key) and API_KEYS (comma-separated); their problems have line 0. */
export function parseEnvironmentKeys(apiKey: string, apiKeys: string, platform: Platform): KeyFile {
  const file: KeyFile = { entries: [], problems: [], warnings: [] };
  const seen = Object.create(null) as { [name: string]: true };
  const keys = [apiKey].concat(apiKeys.split(','));
  for (let i = 0; i < keys.length; i++) {
    const key = (keys[i] as string).trim();
    if (key === '') continue;
    const source = i === 0 ? 'API_KEY' : 'API_KEYS';
    const problem = checkEnvironmentKey(key);
    if (problem !== undefined) file.problems.push({ line: 0, problem: `${source}: ${problem}` });
    else if (seen[key] !== true) file.entries.push(plaintextEntry(key, platform));
    seen[key] = true;
  }
  return file;
}

function checkEnvironmentKey(key: string): string | undefined {
  if (placeholder.test(key)) return 'a placeholder from an example is not a key; make one with keygate key new';
  if (/[^\x21-\x7e]/.test(key)) return 'a key has only printable ASCII characters and no space';
  return key.split('.').length === 3 ? 'a key with exactly two dots would be taken for a JWT' : undefined;
}

function plaintextEntry(key: string, platform: Platform): KeyEntry {
  const hash = platform.sha256(key);
  return {
    kind: 'plaintext',
    name: '',
    hash,
    id: '',
    expiresSeconds: null,
    scopes: [],
    limit: null,
    text: key,
    line: 0,
  };
}
