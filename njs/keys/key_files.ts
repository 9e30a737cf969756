// The files that a set of API keys is made of: the key file and, in a cluster, the snapshot of what its nodes share.

import { maxKeyFileBytes } from '../../auth/key_file.js';
import { parseSnapshot, type Snapshot } from '../../auth/snapshot.js';
import { denyShared } from './denials.js';
import { digestOfLastGood, type KeyFileName } from './last_good.js';
import { readIfChanged, rejectContent, type FileReading } from './watched_file.js';

/** What a look at a file has found. */
export interface Look {
  name: KeyFileName;
  /** Names the file in the log. */
  label: string;
  reading: FileReading;
  /** Of a changed snapshot, so that its text is parsed once. */
  snapshot?: Snapshot;
}

/** Whether this nginx belongs to a node of a cluster. */
export function isClustered(variables: NginxVariables): boolean {
  return variables.keygate_cluster === 'on';
}

/** @returns a look at the key file; undefined where there is none: a node of a cluster needs none */
export function lookAtKeyFile(variables: NginxVariables, nowMs: number): Look | undefined {
  const path = variables.keygate_api_keys_file || '';
  if (path === '') return undefined;
  const reading = readIfChanged({ path, name: 'keys', maxBytes: maxKeyFileBytes }, nowMs);
  const isAbsent = reading.found === 'unusable' && reading.why === 'ENOENT';
  if (isAbsent && isClustered(variables) && digestOfLastGood('keys') === undefined) return undefined;
  return { name: 'keys', label: `API_KEYS_FILE ${path}`, reading };
}

/**
 * Looks at the snapshot and takes its denials up.
 * @param isSecretKnown whether the secret is there by which a snapshot names revoked keys
 */
export function lookAtSnapshot(variables: NginxVariables, nowMs: number, isSecretKnown: boolean): Look {
  const path = `${variables.keygate_state_dir}/shared/snapshot.json`;
  const label = 'shared/snapshot.json of the sidecar';
  const name = 'snapshot';
  const lacksSecret: FileReading = { found: 'unusable', why: 'there is no public/entry_secret' };
  const reading = isSecretKnown ? readIfChanged({ path, name, maxBytes: maxKeyFileBytes }, nowMs) : lacksSecret;
  if (reading.found !== 'changed') return { name, label, reading };
  const snapshot = parseSnapshot(reading.text);
  if ('fault' in snapshot) return { name, label, reading: rejectContent(name, snapshot.fault) };
  const fault = denyShared(snapshot.denied);
  return fault === undefined
    ? { name, label, reading, snapshot }
    : { name, label, reading: rejectContent(name, fault) };
}
