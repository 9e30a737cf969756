// The key file and the keys of the environment taken up together. A file that is gone, unreadable or zero bytes
// long keeps the last good set for KEYS_MAX_STALE seconds.

import { keysGeneration, parseEnvironmentKeys, parseKeyFile } from '../auth/key_file.js';
import type { KeyEntry } from '../auth/key_entry.js';
import { complain, recover } from './complaint.js';
import { forgetLook, lookAt } from './file_look.js';
import { currentKeySet, retireKeySet, storeKeySet } from './key_set.js';
import { parsingPlatform } from './platform.js';
import { readHmacSecret, readState, writeState } from './state.js';

const shownProblems = 20;

/**
 * Looks at the key file and stores a new set when it has changed.
 * @param isNewSource the set in use came from another file: it may not stay
 */
export function refreshKeys(variables: NginxVariables, nowMs: number, isNewSource: boolean): void {
  const path = variables.keygate_api_keys_file || '';
  const secret = readEntrySecret(variables, nowMs);
  if (path === '') {
    if (isNewSource || secret.changed) store('', secret.text, nowMs);
    return;
  }
  if (secret.changed) forgetLook('keys');
  const look = lookAt(path, 'keys', nowMs);
  if (look.found === 'unusable') {
    keepLastGood(`API_KEYS_FILE ${path}: ${look.why}`, {
      variables,
      secret: secret.text,
      nowMs,
      isNewSource,
    });
    return;
  }
  if (look.found === 'changed') store(look.text, secret.text, nowMs);
}

function store(fileText: string, secret: string, nowMs: number): void {
  const platform = parsingPlatform();
  const apiKey = process.env['API_KEY'] || '';
  const apiKeys = process.env['API_KEYS'] || '';
  const fromFile = parseKeyFile(fileText, platform);
  const fromEnvironment = parseEnvironmentKeys(apiKey, apiKeys, platform);
  const entries = withoutDoubles(fromEnvironment.entries.concat(fromFile.entries));
  const generation = keysGeneration({ apiKey, apiKeys, fileText }, platform);
  try {
    storeKeySet(entries, { generation, secret, platform });
  } catch (_) {
    complain('keys', `${entries.length} API keys do not fit into the zones keygate_keys_a and _b; the last good ones stay in use`, nowMs); // prettier-ignore
    return;
  }
  recover('keys');
  const problems = fromFile.problems.map((one) => `line ${one.line}: ${one.problem}`);
  const warnings = fromFile.warnings.map((one) =>
    one.line === 0 ? one.problem : `line ${one.line}: ${one.problem}`,
  );
  report(entries.length, problems.concat(fromEnvironment.problems.map((one) => one.problem)), warnings);
}

// The same key in file and environment is one key.
function withoutDoubles(entries: KeyEntry[]): KeyEntry[] {
  const seen = Object.create(null) as { [hash: string]: true };
  return entries.filter((entry) => {
    const isNew = seen[entry.hash] === undefined;
    seen[entry.hash] = true;
    return isNew;
  });
}

function report(entries: number, problems: string[], warnings: string[]): void {
  ngx.log(ngx.WARN, `keygate: API keys taken up: ${entries} usable, ${problems.length} unusable`);
  const lines = problems.slice(0, shownProblems).concat(warnings.slice(0, shownProblems));
  lines.forEach((line) => ngx.log(ngx.WARN, `keygate: API_KEYS_FILE: ${line}`));
}

interface Keeping {
  variables: NginxVariables;
  secret: string;
  nowMs: number;
  isNewSource: boolean;
}

function keepLastGood(fault: string, keeping: Keeping): void {
  const { variables, nowMs } = keeping;
  if (keeping.isNewSource) {
    store('', keeping.secret, nowMs);
    complain('keys', fault, nowMs);
    if (!process.env['API_KEY'] && !process.env['API_KEYS']) retireKeySet();
    return;
  }
  const sinceMs = complain('keys', `${fault}; keys loaded before stay in use`, nowMs);
  const current = currentKeySet();
  const maxStaleMs = Number(variables.keygate_keys_max_stale) * 1000;
  if (current !== undefined && current.available && !(nowMs - sinceMs < maxStaleMs)) {
    ngx.log(
      ngx.ERR,
      `keygate: ${fault}; the last good keys are older than KEYS_MAX_STALE and no longer used`,
    );
    retireKeySet();
  }
}

// The secret under which entries get their fingerprints. Without a sidecar there is none, and a random one serves.
function readEntrySecret(variables: NginxVariables, nowMs: number): { text: string; changed: boolean } {
  const look = lookAt(`${variables.keygate_state_dir}/public/entry_secret`, 'entry_secret', nowMs);
  if (look.found === 'changed') {
    writeState('entry_secret', look.text.replace(/\s+/g, ''));
    return { text: readState('entry_secret') as string, changed: true };
  }
  return { text: readState('entry_secret') || readHmacSecret(), changed: false };
}
