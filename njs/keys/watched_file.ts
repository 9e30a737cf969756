// Whether a file that others write is read again: only after a change, so that an unchanged file costs one stat. A file
// that may be damaged is refused as a whole.

import fs from 'fs';
import { judgeChange, noteRead, noteUnreadable, versionOf, type SeenFile } from '../../auth/file_change.js';
import { readFileText } from '../../auth/file_text.js';
import { parsingPlatform, sha256 } from '../platform.js';
import { clearState, readState, writeState } from './shared_state.js';

type Stats = ReturnType<typeof fs.statSync>;

/** What became of reading a file; `unusable` says why its content can't count, in words fit for a log. */
export type FileReading =
  { found: 'same' } | { found: 'changed'; text: string; digest: string } | { found: 'unusable'; why: string };

export interface WatchedFile {
  path: string;
  /** The name under which the state of the last reading is kept. */
  name: string;
  /** A larger file is refused unread. */
  maxBytes: number;
}

type Seen = SeenFile & { digest: string };

/**
 * Reads a file that has changed since it was last read. Anything but a regular file is refused unread: reading a FIFO
 * would stop the worker for good. A content that was rejected stays unusable until the file changes.
 */
export function readIfChanged(file: WatchedFile, nowMs: number): FileReading {
  try {
    const stat = fs.statSync(file.path);
    const why = explainUnreadable(stat, file.maxBytes);
    return why === undefined ? readSettled(file, stat, nowMs) : unreadable(file, why);
  } catch (e) {
    const code = (e && (e as { code?: string }).code) || 'not a readable file';
    return unreadable(file, String(code));
  }
}

function explainUnreadable(stat: Stats, maxBytes: number): string | undefined {
  if (!stat.isFile()) return 'not a regular file';
  if (stat.size === 0) return 'zero bytes long';
  return stat.size > maxBytes ? `larger than ${maxBytes / 1048576} MB` : undefined;
}

function unreadable({ name }: WatchedFile, why: string): FileReading {
  const seen = readSeen(name);
  if (seen !== undefined) writeSeen(name, noteUnreadable(), '');
  return { found: 'unusable', why };
}

function readSettled({ path, name }: WatchedFile, stat: Stats, nowMs: number): FileReading {
  const before = readSeen(name);
  const { judged, seen } = judgeChange(stat, before, nowMs);
  if (judged === 'unsettled' && seen !== before) writeSeen(name, seen as SeenFile, (before as Seen).digest);
  if (judged !== 'read') return unchanged(name);
  const bytes = fs.readFileSync(path) as Buffer;
  // A write of megabytes has the time at which it began, and may take longer than a file takes to settle.
  if (versionOf(fs.statSync(path)) !== versionOf(stat) || bytes.length !== stat.size) return unchanged(name);
  const digest = sha256(bytes);
  writeSeen(name, noteRead(versionOf(stat), before, nowMs), digest);
  if (before !== undefined && digest === before.digest) return unchanged(name);
  const content = readFileText(bytes, parsingPlatform());
  if ('fault' in content) return rejectContent(name, content.fault);
  clearState(`content_fault:${name}`);
  return { found: 'changed', text: content.text, digest };
}

function unchanged(name: string): FileReading {
  const fault = readState(`content_fault:${name}`);
  return fault === undefined ? { found: 'same' } : { found: 'unusable', why: fault };
}

/** Makes the content that was read last count as unusable, now and until the file changes. */
export function rejectContent(name: string, why: string): FileReading {
  writeState(`content_fault:${name}`, why);
  return { found: 'unusable', why };
}

function readSeen(name: string): Seen | undefined {
  const text = readState(`seen:${name}`);
  return text === undefined ? undefined : (JSON.parse(text) as Seen);
}

function writeSeen(name: string, seen: SeenFile, digest: string): void {
  writeState(`seen:${name}`, JSON.stringify(Object.assign({}, seen, { digest })));
}

/**
 * Whether no newer content of a file has been read. A worker that a reload ends may still work on content that another
 * worker has seen replaced.
 */
export function isLatestRead(name: string, digest: string): boolean {
  const seen = readSeen(name);
  return seen !== undefined && seen.digest === digest;
}

/** Makes the next reading take the file up at once, whatever was read of it before. */
export function forgetFile(name: string): void {
  clearState(`seen:${name}`);
  clearState(`content_fault:${name}`);
}
