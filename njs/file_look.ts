// Whether a file has changed since the last look. Cheap while it has not: one stat.

import fs from 'fs';
import { sha256 } from './hash.js';
import { readState, writeState } from './state.js';

/** What a look found; `unusable` says why nothing could be read, in words fit for a log. */
export type Look =
  { found: 'same' } | { found: 'changed'; text: string } | { found: 'unusable'; why: string };

const settleMs = 150; // a file written to just now may be half-written
const racyMs = 2000; // within this a second change may leave no trace in the file's times

/**
 * Looks at a file.
 * @param name under which the state of the last look is kept
 */
export function lookAt(path: string, name: string, nowMs: number): Look {
  try {
    const look = lookOrThrow(path, name, nowMs);
    if (look.found === 'unusable') forgetLook(name);
    return look;
  } catch (e) {
    forgetLook(name);
    const code = (e && (e as { code?: string }).code) || 'not a readable file';
    return { found: 'unusable', why: String(code) };
  }
}

function lookOrThrow(path: string, name: string, nowMs: number): Look {
  const stat = fs.statSync(path);
  if (!stat.isFile()) return { found: 'unusable', why: 'not a regular file' };
  if (stat.size === 0) return { found: 'unusable', why: 'zero bytes long' };
  const seen = readState(`seen:${name}`);
  const mark = `${stat.mtimeMs}:${stat.size}:${stat.ino}`;
  const [seenMark, seenDigest] = seen === undefined ? [] : seen.split(' ');
  if (mark === seenMark) return { found: 'same' };
  const ageMs = nowMs - stat.mtimeMs;
  if (seen !== undefined && ageMs >= 0 && ageMs < settleMs) return { found: 'same' };
  const text = fs.readFileSync(path, 'utf8');
  const digest = sha256(text);
  const isRacy = ageMs >= 0 && ageMs < racyMs;
  writeState(`seen:${name}`, `${isRacy ? 'racy' : mark} ${digest}`);
  return digest === seenDigest ? { found: 'same' } : { found: 'changed', text };
}

/** Makes the next look that finds a file take it up again. */
export function forgetLook(name: string): void {
  if (readState(`seen:${name}`) !== undefined) writeState(`seen:${name}`, 'forgotten forgotten');
}
