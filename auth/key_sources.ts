// The API keys of all sources together: environment, key file, and the snapshot of a cluster. A key that stands in
// several sources counts once, and a key that the cluster has revoked counts nowhere. nginx and the sidecar share this.

import { parseEnvironmentKeys, parseKeyFile, shareLimits, type KeyFile, type LineProblem } from './key_file.js';
import type { KeyEntry } from './key_record.js';
import type { Platform } from './platform.js';
import { revokedName, type Snapshot } from './snapshot.js';

export interface KeySources {
  apiKey: string;
  apiKeys: string;
  /** As readFileText gives it; empty for no file. */
  fileText: string;
  /** Undefined without a cluster. */
  snapshot: Pick<Snapshot, 'keys' | 'revoked'> | undefined;
}

/** Where a line stands; the first of two sources counts for a key that stands in both. */
export type KeySource = 'environment' | 'file' | 'snapshot';

export type PlacedProblem = LineProblem & { source: KeySource };

export interface GatheredKeys {
  entries: KeyEntry[];
  /** Lines that are not used. */
  problems: PlacedProblem[];
  /** Lines that are used, but that the operator should change. */
  warnings: PlacedProblem[];
}

interface Part extends KeyFile {
  source: KeySource;
}

/**
 * Gathers the keys of all sources.
 * @param secret the HMAC key of the entries' fingerprints, which names the revoked keys too
 */
export function gatherKeys(sources: KeySources, secret: string, platform: Platform): GatheredKeys {
  const { apiKey, apiKeys, fileText, snapshot } = sources;
  const parts: Part[] = [
    placed('environment', parseEnvironmentKeys(apiKey, apiKeys, platform)),
    placed('file', parseKeyFile(fileText, platform)),
  ];
  if (snapshot !== undefined) {
    parts.push(placed('snapshot', parseKeyFile(snapshot.keys.join('\n'), platform)));
    leaveOutRevoked(parts, snapshot.revoked, (entry) => revokedName(entry, secret, platform));
  }
  return join(parts);
}

function placed(source: KeySource, { entries, problems, warnings }: KeyFile): Part {
  return { source, entries, problems, warnings };
}

type Names = { [name: string]: true };

function leaveOutRevoked(parts: Part[], revoked: string[], nameOf: (entry: KeyEntry) => string): void {
  if (revoked.length === 0) return;
  const names = Object.create(null) as Names;
  revoked.forEach((name) => (names[name] = true));
  parts.forEach((part) => (part.entries = part.entries.filter((entry) => names[nameOf(entry)] !== true)));
}

function join(parts: Part[]): GatheredKeys {
  const all: GatheredKeys = { entries: [], problems: [], warnings: [] };
  const filled = parts.filter(({ entries }) => entries.length > 0);
  if (filled.length > 1) leaveOutRepeated(filled);
  filled.forEach(({ entries }) => (all.entries = all.entries.concat(entries)));
  if (filled.length > 1) shareLimitsOf(filled, all.entries);
  parts.forEach(({ source, problems, warnings }) => {
    const place = (one: LineProblem): PlacedProblem => ({ source, line: one.line, problem: one.problem });
    all.problems = all.problems.concat(problems.map(place));
    all.warnings = all.warnings.concat(warnings.map(place));
  });
  return all;
}

function leaveOutRepeated(parts: Part[]): void {
  const hashes = Object.create(null) as Names;
  const ids = Object.create(null) as Names;
  parts.forEach((part) => {
    part.entries = part.entries.filter(({ hash, id, line }) => {
      if (hashes[hash] === true) return false;
      hashes[hash] = true;
      if (id !== '' && ids[id] === true) {
        part.problems.push({ line, problem: 'a line of another source has the same id, and counts' });
        return false;
      }
      if (id !== '') ids[id] = true;
      return true;
    });
  });
}

function shareLimitsOf(parts: Part[], entries: KeyEntry[]): void {
  shareLimits(entries).forEach(({ index, warning }) => {
    let first = 0;
    parts.forEach((part) => {
      if (index >= first && index < first + part.entries.length) part.warnings.push(warning);
      first += part.entries.length;
    });
  });
}

/** Says where a line stands and what is wrong with it, in words fit for a log. */
export function describeProblem({ source, line, problem }: PlacedProblem): string {
  if (source === 'environment') return problem; // which names its variable
  const place = source === 'file' ? 'API_KEYS_FILE' : 'shared/snapshot.json';
  if (line === 0) return `${place}: ${problem}`;
  return `${place}: ${source === 'file' ? 'line' : 'key'} ${line}: ${problem}`;
}

/**
 * Names a generation of API keys after the content of all sources.
 * @param sources digests: SHA-256 of the bytes of key file and snapshot.json, empty for no such file
 * @returns 22 characters that change when any source changes
 */
export function keysGeneration(
  sources: { apiKey: string; apiKeys: string; fileDigest: string; snapshotDigest: string },
  platform: Platform,
): string {
  const { apiKey, apiKeys, fileDigest, snapshotDigest } = sources;
  return platform.sha256([apiKey, apiKeys, fileDigest, snapshotDigest].join('\n')).slice(0, 22);
}
