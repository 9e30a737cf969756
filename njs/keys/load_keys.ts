// When a new set of API keys, from the key file and the environment, comes into use. While the file is missing,
// unreadable, zero bytes long or no key file, the last good set stays for KEYS_MAX_STALE seconds.

import { keysGeneration, maxKeyFileBytes, parseEnvironmentKeys, parseKeyFile } from '../../auth/key_file.js';
import type { KeyEntry } from '../../auth/key_record.js';
import { reportFault, recover } from './source_faults.js';
import { forgetFile, isLatestRead, readIfChanged, rejectContent } from './watched_file.js';
import { currentKeySet, retireKeySet, storeKeySet } from './key_set.js';
import { parsingPlatform } from '../platform.js';
import { clearState, readHmacSecret, readState, writeState } from './shared_state.js';

const shownProblems = 20;
const maxSecretBytes = 1024;
const noFile = { text: '', digest: '' };

interface Keeping {
  variables: NginxVariables;
  secret: string;
  nowMs: number;
  /** Whether the set in use came from another file and so may not stay. */
  isNewSource: boolean;
}

/**
 * Reads the key file and stores a new set when it has changed.
 * @param isNewSource whether the set in use came from another file and so may not stay
 */
export function refreshKeys(variables: NginxVariables, nowMs: number, isNewSource: boolean): void {
  const path = variables.keygate_api_keys_file || '';
  const secret = readEntrySecret(variables, nowMs);
  const due = readState('keys_due');
  if (due !== undefined) clearState('keys_due');
  const keeping = { variables, secret: secret.text, nowMs, isNewSource: isNewSource || due === 'new source' };
  const isDue = due !== undefined || secret.changed;
  if (path === '') {
    if (isDue || isNewSource) takeUp(noFile, keeping);
    return;
  }
  if (isDue) forgetFile('keys');
  const reading = readIfChanged({ path, name: 'keys', maxBytes: maxKeyFileBytes }, nowMs);
  const fault = reading.found === 'changed' ? takeUp(reading, keeping) : undefined;
  const outcome = fault === undefined ? reading : rejectContent('keys', fault);
  if (outcome.found === 'unusable') keepLastGood(`API_KEYS_FILE ${path}: ${outcome.why}`, keeping);
}

// Stores a new set. Returns the fault where the set does not fit, else undefined.
function takeUp(file: { text: string; digest: string }, keeping: Keeping): string | undefined {
  const platform = parsingPlatform();
  const apiKey = process.env['API_KEY'] || '';
  const apiKeys = process.env['API_KEYS'] || '';
  const fromFile = parseKeyFile(file.text, platform);
  const fromEnvironment = parseEnvironmentKeys(apiKey, apiKeys, platform);
  const entries = fromEnvironment.entries.concat(withoutThose(fromFile.entries, fromEnvironment.entries));
  const generation = keysGeneration({ apiKey, apiKeys, fileDigest: file.digest }, platform);
  const { secret, nowMs, isNewSource } = keeping;
  const isLatest = () => file === noFile || isLatestRead('keys', file.digest);
  const outcome = storeKeySet(entries, { generation, secret, platform, nowMs, isLatest });
  if (outcome === 'full') return `${entries.length} keys do not fit into the zones keygate_keys_a and _b`;
  if (outcome === 'outdated') return undefined;
  if (outcome === 'busy') {
    writeState('keys_due', isNewSource ? 'new source' : 'changed'); // the next tick tries again
    return undefined;
  }
  recover('keys');
  writeState('keys_taken_ms', String(nowMs));
  writeState('unusable_lines', String(fromFile.problems.length + fromEnvironment.problems.length));
  const problems = fromFile.problems.map((one) => `line ${one.line}: ${one.problem}`);
  const warnings = fromFile.warnings.map((one) => (one.line === 0 ? one.problem : `line ${one.line}: ${one.problem}`));
  logOutcome(entries.length, problems.concat(fromEnvironment.problems.map((one) => one.problem)), warnings);
  return undefined;
}

// A key that stands in both file and environment counts once.
function withoutThose(entries: KeyEntry[], others: KeyEntry[]): KeyEntry[] {
  if (others.length === 0) return entries;
  const there = Object.create(null) as { [hash: string]: true };
  others.forEach((entry) => (there[entry.hash] = true));
  return entries.filter((entry) => there[entry.hash] !== true);
}

function logOutcome(entries: number, problems: string[], warnings: string[]): void {
  ngx.log(ngx.WARN, `keygate: API keys taken up: ${entries} usable, ${problems.length} unusable`);
  const lines = problems.slice(0, shownProblems).concat(warnings.slice(0, shownProblems));
  lines.forEach((line) => ngx.log(ngx.WARN, `keygate: API_KEYS_FILE: ${line}`));
}

function keepLastGood(fault: string, keeping: Keeping): void {
  const { variables, nowMs } = keeping;
  if (keeping.isNewSource) {
    takeUp(noFile, keeping);
    reportFault('keys', fault, nowMs);
    if (!process.env['API_KEY'] && !process.env['API_KEYS']) retireKeySet();
    return;
  }
  const current = currentKeySet();
  const hasKeys = current !== undefined && current.available;
  const consequence = hasKeys ? 'keys loaded before stay in use' : 'no key was loaded yet: API keys get 503';
  const lastedMs = reportFault('keys', `${fault}; ${consequence}`, nowMs);
  const maxStaleMs = Number(variables.keygate_keys_max_stale) * 1000;
  if (hasKeys && !(lastedMs < maxStaleMs)) {
    ngx.log(ngx.ERR, `keygate: ${fault}; the last good keys are older than KEYS_MAX_STALE and no longer used`);
    retireKeySet();
  }
}

// The HMAC key of the fingerprints. Without a sidecar there is no such file, and a random secret takes its place.
function readEntrySecret(variables: NginxVariables, nowMs: number): { text: string; changed: boolean } {
  const path = `${variables.keygate_state_dir}/public/entry_secret`;
  const reading = readIfChanged({ path, name: 'entry_secret', maxBytes: maxSecretBytes }, nowMs);
  if (reading.found === 'changed') {
    writeState('entry_secret', reading.text.replace(/\s+/g, ''));
    return { text: readState('entry_secret') as string, changed: true };
  }
  return { text: readState('entry_secret') || readHmacSecret(), changed: false };
}
