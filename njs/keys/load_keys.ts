// When a new set of API keys comes into use: from the environment, the key file and, in a cluster, the snapshot. While
// a file is missing, unreadable or damaged, its last good content stays for KEYS_MAX_STALE seconds.

import { describeProblem, gatherKeys, keysGeneration, type GatheredKeys } from '../../auth/key_sources.js';
import { parseSnapshot, type Snapshot } from '../../auth/snapshot.js';
import { parsingPlatform } from '../platform.js';
import { isClustered, lookAtKeyFile, lookAtSnapshot, type Look } from './key_files.js';
import { currentKeySet, retireKeySet, storeKeySet } from './key_set.js';
import {
  digestOfLastGood,
  keepLastGood,
  keyFileNames,
  readLastGood,
  type Content,
  type KeyFileName,
} from './last_good.js';
import { ageMs, clearState, readHmacSecret, readState, writeState } from './shared_state.js';
import { isFaulty, recover, reportFault } from './source_faults.js';
import { forgetFile, isLatestRead, readIfChanged, rejectContent } from './watched_file.js';

const shownProblems = 20;
const maxSecretBytes = 1024;
const noFile: Content = { text: '', digest: '' };

interface Keeping {
  variables: NginxVariables;
  nowMs: number;
  secret: Secret;
  /** Whether the set in use came from other files and so may not stay. */
  isNewSource: boolean;
}

/**
 * Reads the files and stores a new set when one of them has changed.
 * @param isNewSource whether the set in use came from other files and so may not stay
 */
export function refreshKeys(variables: NginxVariables, nowMs: number, isNewSource: boolean): void {
  const secret = readEntrySecret(variables, nowMs);
  const due = readState('keys_due');
  if (due !== undefined) clearState('keys_due');
  const keeping = { variables, nowMs, secret, isNewSource: isNewSource || due === 'new source' };
  const isDue = isNewSource || due !== undefined || secret.changed;
  if (isDue) keyFileNames.forEach(forgetFile);
  const looks = look(keeping);
  const changed = looks.filter(({ reading }) => reading.found === 'changed');
  const fault = isDue || changed.length > 0 ? takeUp(looks, keeping) : undefined;
  if (fault !== undefined) changed.forEach((one) => (one.reading = rejectContent(one.name, fault)));
  looks.forEach((one) => boundLastGood(one, keeping));
}

// A node that has not joined its cluster leaves the key file unread: some of its keys may be revoked.
function look({ variables, nowMs, secret }: Keeping): Look[] {
  const snapshot = isClustered(variables) ? lookAtSnapshot(variables, nowMs, secret.isKnown) : undefined;
  if (snapshot === undefined) recover('snapshot');
  else if (!isThere(snapshot)) return [snapshot];
  const keyFile = lookAtKeyFile(variables, nowMs);
  if (keyFile === undefined) recover('keys');
  return [keyFile, snapshot].filter((one) => one !== undefined) as Look[];
}

function isThere({ name, reading }: Look): boolean {
  return reading.found === 'changed' || digestOfLastGood(name) !== undefined;
}

/** What a set is made of, beside the environment. */
interface Contents {
  file: Content;
  /** Undefined without a cluster. */
  snapshot: { content: Content; parsed: Snapshot } | undefined;
}

// Stores a new set. Returns the fault where the set does not fit, else undefined.
function takeUp(looks: Look[], keeping: Keeping): string | undefined {
  const { variables, isNewSource } = keeping;
  const hasCluster = isClustered(variables);
  const snapshot = hasCluster ? findSnapshot(looks) : undefined;
  if (hasCluster && snapshot === undefined) {
    if (isNewSource) retireKeySet();
    return undefined;
  }
  const file = findContent(looks, 'keys');
  const isUnusable = looks.some(({ name, reading }) => name === 'keys' && reading.found === 'unusable');
  if (isUnusable && !hasCluster && !isNewSource) return undefined; // the set in use stays
  const fault = store({ file: file || noFile, snapshot }, looks, keeping);
  const hasOther = hasCluster || Boolean(process.env['API_KEY'] || process.env['API_KEYS']);
  if (isUnusable && isNewSource && !hasOther) retireKeySet();
  return fault;
}

// The content of a file that counts: the present one, else the last good one of a cluster's node.
function findContent(looks: Look[], name: KeyFileName): Content | undefined {
  const found = looks.filter((one) => one.name === name)[0];
  return found !== undefined && found.reading.found === 'changed' ? found.reading : readLastGood(name);
}

function findSnapshot(looks: Look[]): Contents['snapshot'] {
  const content = findContent(looks, 'snapshot');
  if (content === undefined) return undefined;
  const changed = looks.filter(({ snapshot }) => snapshot !== undefined)[0];
  const parsed = changed === undefined ? parseSnapshot(content.text) : (changed.snapshot as Snapshot);
  return 'fault' in parsed ? undefined : { content, parsed };
}

function store({ file, snapshot }: Contents, looks: Look[], keeping: Keeping): string | undefined {
  const { secret, nowMs, isNewSource, variables } = keeping;
  const platform = parsingPlatform();
  const apiKey = process.env['API_KEY'] || '';
  const apiKeys = process.env['API_KEYS'] || '';
  const parsed = snapshot === undefined ? undefined : snapshot.parsed;
  const snapshotDigest = snapshot === undefined ? '' : snapshot.content.digest;
  const keys = gatherKeys({ apiKey, apiKeys, fileText: file.text, snapshot: parsed }, secret.text, platform);
  const contents = snapshot === undefined ? [file] : [file, snapshot.content];
  const outcome = storeKeySet(keys.entries, {
    generation: keysGeneration({ apiKey, apiKeys, fileDigest: file.digest, snapshotDigest }, platform),
    secret: secret.text,
    platform,
    nowMs,
    isLatest: () => contents.every((content, i) => isLatestContent(keyFileNames[i] as KeyFileName, content, looks)),
    keepSources: () =>
      snapshot === undefined || contents.every((content, i) => keepLastGood(keyFileNames[i] as KeyFileName, content)),
    isUsable: looks.every((one) => !isTooOld(one, variables, nowMs)),
  });
  if (outcome === 'full') return `${keys.entries.length} keys do not fit into the zones keygate_keys_a and _b`;
  if (outcome === 'stored') {
    looks.filter(({ reading }) => reading.found !== 'unusable').forEach(({ name }) => recover(name));
    noteOutcome(keys, nowMs);
  } else if (outcome === 'busy' || snapshot !== undefined) {
    writeState('keys_due', isNewSource ? 'new source' : 'changed'); // the next tick tries again
  }
  return undefined;
}

// Whether no other worker has read, or kept, a newer content of a file.
function isLatestContent(name: KeyFileName, { digest }: Content, looks: Look[]): boolean {
  const isRead = looks.some((one) => one.name === name && one.reading.found === 'changed');
  return isRead ? isLatestRead(name, digest) : (digestOfLastGood(name) || '') === digest;
}

function noteOutcome({ entries, problems, warnings }: GatheredKeys, nowMs: number): void {
  writeState('keys_taken_ms', String(nowMs));
  writeState('unusable_lines', String(problems.length));
  ngx.log(ngx.WARN, `keygate: API keys taken up: ${entries.length} usable, ${problems.length} unusable`);
  const shown = problems.slice(0, shownProblems).concat(warnings.slice(0, shownProblems));
  shown.forEach((one) => ngx.log(ngx.WARN, `keygate: ${describeProblem(one)}`));
}

function isTooOld({ name, reading }: Look, variables: NginxVariables, nowMs: number): boolean {
  if (reading.found !== 'unusable' || !isFaulty(name)) return false;
  return !(ageMs(`fault:${name}`, nowMs) < Number(variables.keygate_keys_max_stale) * 1000);
}

function boundLastGood(one: Look, { variables, nowMs, isNewSource }: Keeping): void {
  const { name, label, reading } = one;
  if (reading.found !== 'unusable') return;
  const current = currentKeySet();
  const hasKeys = current !== undefined && current.available;
  const fault = `${label}: ${reading.why}`;
  const isKeyFileAtStart = isNewSource && name === 'keys'; // keys of other sources may be in use
  reportFault(name, isKeyFileAtStart ? fault : `${fault}; ${describeConsequence(name, hasKeys)}`, nowMs);
  if (hasKeys && isTooOld(one, variables, nowMs)) {
    ngx.log(ngx.ERR, `keygate: ${fault}; the last good keys are older than KEYS_MAX_STALE and no longer used`);
    retireKeySet();
  }
}

function describeConsequence(name: KeyFileName, hasKeys: boolean): string {
  if (hasKeys) return 'keys loaded before stay in use';
  const isNew = name === 'snapshot' && digestOfLastGood(name) === undefined;
  return isNew
    ? 'this node has not joined its cluster yet: API keys and tokens get 503'
    : 'no key was loaded yet: API keys get 503';
}

interface Secret {
  text: string;
  changed: boolean;
  /** Whether the sidecar's secret was ever read. */
  isKnown: boolean;
}

// The HMAC key of the fingerprints. Without a sidecar there is no such file, and a random secret takes its place.
function readEntrySecret(variables: NginxVariables, nowMs: number): Secret {
  const path = `${variables.keygate_state_dir}/public/entry_secret`;
  const reading = readIfChanged({ path, name: 'entry_secret', maxBytes: maxSecretBytes }, nowMs);
  if (reading.found === 'changed') writeState('entry_secret', reading.text.replace(/\s+/g, ''));
  const known = readState('entry_secret');
  const text = known || readHmacSecret();
  return { text, changed: reading.found === 'changed', isKnown: Boolean(known) };
}
