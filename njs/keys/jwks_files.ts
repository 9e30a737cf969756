// A file of JWKs taken up: ours, JWKS_PATH, and those of providers.

import { reportFault } from './source_faults.js';
import { readState, writeState } from './shared_state.js';
import { describeConsequence, storeJwksText } from './store_jwks.js';
import type { JwksSource } from './stored_jwks.js';
import { readIfChanged, rejectContent, type FileReading } from './watched_file.js';

const maxBytes = 1048576;

export interface JwksFile {
  name: JwksSource;
  path: string;
  /** Whose tokens the keys verify, for our own. */
  issuer?: string;
}

/** Takes a file of JWKs up where it has changed. Content without a usable key counts as damaged. */
export function readJwksFile({ name, path, issuer }: JwksFile, nowMs: number): FileReading {
  const reading = readIfChanged({ path, name, maxBytes }, nowMs);
  if (reading.found !== 'changed') return reading;
  const fault = storeJwksText(name, reading.text, issuer);
  return fault === undefined ? reading : rejectContent(name, fault);
}

/**
 * Takes a file of somebody else's JWKs up, and reports its fault.
 * @param label names the file in the log
 */
export function refreshJwksFile({ name, path }: JwksFile, label: string, nowMs: number): void {
  const reading = readJwksFile({ name, path }, nowMs);
  if (reading.found !== 'unusable') return;
  reportFault(name, `${label} ${path}: ${reading.why}${describeConsequence(name)}`, nowMs);
  if (readState(name) === undefined) writeState(name, JSON.stringify({ configured: true }));
}
