// When each API key was last used, by its id: nginx tells the times, and asks for them after a restart.
// STATE_DIR/last_used.json: { "Ab3dE6gH": 1764300000 }

import { join } from 'node:path';
import { readIfThere, writeAtomically } from '../node/state_files.js';

export interface LastUsed {
  /** Takes up times in Unix seconds by key id; what is no such thing is left out. */
  note: (times: unknown) => void;
  /** All times, newest first, at most 1,500. */
  times: () => { [keyId: string]: number };
  /** Writes the file where a time has changed since. */
  flush: () => void;
}

const most = 1500; // nginx sends 1,000 ids; an answer to nginx may have 64 KB
const keyId = /^(?:[0-9A-Za-z]{8}|key-[\w-]{8})$/;

/**
 * Opens the times of a STATE_DIR. A file that can't be read counts as empty.
 * @param warn is told once when the file can't be written
 */
export function openLastUsed(stateDir: string, warn: (text: string) => void): LastUsed {
  const path = join(stateDir, 'last_used.json');
  let known = newest(readTimes(path));
  let isChanged = false;
  let isWarned = false;
  return {
    note: (times) => {
      for (const [id, seconds] of validTimes(times)) {
        if (seconds <= (known[id] ?? 0)) continue;
        known[id] = seconds;
        isChanged = true;
      }
    },
    times: () => known,
    flush: () => {
      if (!isChanged) return;
      isChanged = false;
      known = newest(Object.entries(known));
      try {
        writeAtomically(path, `${JSON.stringify(known)}\n`, 0o600);
      } catch (error) {
        if (!isWarned) warn(`${path}: not written (${(error as NodeJS.ErrnoException).code})`);
        isWarned = true;
      }
    },
  };
}

function readTimes(path: string): [string, number][] {
  try {
    return validTimes(JSON.parse(readIfThere(path) ?? '{}'));
  } catch {
    return [];
  }
}

function validTimes(times: unknown): [string, number][] {
  if (typeof times !== 'object' || times === null) return [];
  return Object.entries(times).filter(
    (pair): pair is [string, number] => keyId.test(pair[0]) && Number.isSafeInteger(pair[1]) && pair[1] > 0,
  );
}

function newest(times: [string, number][]): { [keyId: string]: number } {
  const sorted = times.sort(([, a], [, b]) => b - a);
  return Object.fromEntries(sorted.slice(0, most));
}
