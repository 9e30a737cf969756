// Whether a file has changed since it was last read. Cheap while it has not: one stat.

import fs from 'fs';
import { judgeChange, versionOf, noteRead, type LastRead } from '../../auth/file_change.js';
import { sha256 } from '../platform.js';
import { readState, writeState } from './shared_state.js';

/** What became of reading a file; `unusable` says why nothing could be read, in words fit for a log. */
export type FileReading =
  { found: 'same' } | { found: 'changed'; text: string; digest: string } | { found: 'unusable'; why: string };

export interface WatchedFile {
  path: string;
  /** Under which the state of the last reading is kept. */
  name: string;
  /** A larger file is refused unread. */
  maxBytes: number;
}

/**
 * Reads a file that has changed since it was last read. Anything but a regular file is refused unread: reading a FIFO
 * would stop the worker for good.
 */
export function readIfChanged(file: WatchedFile, nowMs: number): FileReading {
  const { name } = file;
  try {
    const reading = readOrThrow(file, nowMs);
    if (reading.found === 'unusable') forgetFile(name);
    return reading;
  } catch (e) {
    forgetFile(name);
    const code = (e && (e as { code?: string }).code) || 'not a readable file';
    return { found: 'unusable', why: String(code) };
  }
}

function readOrThrow({ path, name, maxBytes }: WatchedFile, nowMs: number): FileReading {
  const stat = fs.statSync(path);
  if (!stat.isFile()) return { found: 'unusable', why: 'not a regular file' };
  if (stat.size === 0) return { found: 'unusable', why: 'zero bytes long' };
  if (stat.size > maxBytes) return { found: 'unusable', why: `larger than ${maxBytes / 1048576} MB` };
  const seen = readSeen(name);
  if (judgeChange(stat, seen, nowMs) !== 'read') return { found: 'same' };
  const bytes = fs.readFileSync(path) as Buffer;
  // One write of megabytes has its time from when it began, and takes longer than a file takes to settle.
  if (versionOf(fs.statSync(path)) !== versionOf(stat) || bytes.length !== stat.size) return { found: 'same' };
  const digest = sha256(bytes);
  const { version, firstReadMs, lastReadMs } = noteRead(versionOf(stat), seen, nowMs);
  writeState(`seen:${name}`, [version, digest, firstReadMs, lastReadMs].join(' '));
  if (seen !== undefined && digest === seen.digest) return { found: 'same' };
  return { found: 'changed', text: bytes.toString('utf8'), digest };
}

function readSeen(name: string): (LastRead & { digest: string }) | undefined {
  const text = readState(`seen:${name}`);
  if (text === undefined) return undefined;
  const [version, digest, firstReadMs, lastReadMs] = text.split(' ') as [string, string, string, string];
  return { version, digest, firstReadMs: Number(firstReadMs), lastReadMs: Number(lastReadMs) };
}

/**
 * Whether what was read of a file is still what was read of it last. A worker that a reload ends may be at work on a
 * content that another worker has seen replaced.
 */
export function isLatestRead(name: string, digest: string): boolean {
  const seen = readSeen(name);
  return seen !== undefined && seen.digest === digest;
}

/** Makes the next reading take the file up again. */
export function forgetFile(name: string): void {
  if (readState(`seen:${name}`) !== undefined) writeState(`seen:${name}`, 'forgotten forgotten 0 0');
}
