// A file that others write, read again after each change. While it is missing, unreadable or damaged, its last good
// content stays.

import { statSync } from 'node:fs';
import type { FastifyBaseLogger } from 'fastify';
import { judgeChange, noteRead, noteUnreadable, versionOf, type SeenFile } from '../../auth/file_change.js';
import { maxKeyFileBytes } from '../../auth/key_file.js';
import { describeFault, FileFault, readRegularFile } from '../../node/regular_file.js';

export type Log = Pick<FastifyBaseLogger, 'error' | 'warn' | 'info'>;

/** `unsettled`: a write may be under way. */
export type Freshness = 'fresh' | 'unsettled' | 'faulty';

export interface WatchedFile<Content> {
  path: string;
  /** Reads the file where it has changed. */
  look: () => Freshness;
  /** The last good content; undefined where there was none. */
  content: () => Content | undefined;
  /** Whether the file has been unusable for so long. */
  isFaultyFor: (seconds: number) => boolean;
}

export interface Watching<Content> {
  path: string;
  /** What the file is, in the log. */
  what: string;
  /** @throws FileFault for a content that can't count; it is not read again until it changes */
  parse: (bytes: Buffer) => Content;
  /** Said of a file that was never there, where that is no fault. */
  notThereYet?: string;
  log: Log;
}

const reportEveryMs = 60000;

interface Watched<Content> {
  content: Content | undefined;
  seen: SeenFile | undefined;
  rejected: { version: string; why: string } | undefined;
  failingSinceMs: number | undefined;
  reported: { text: string; atMs: number } | undefined;
}

/** Watches a file, and does not look at it yet. */
export function watchFile<Content>(watching: Watching<Content>): WatchedFile<Content> {
  const state: Watched<Content> = {
    content: undefined,
    seen: undefined,
    rejected: undefined,
    failingSinceMs: undefined,
    reported: undefined,
  };
  return {
    path: watching.path,
    look: () => look(watching, state),
    content: () => state.content,
    isFaultyFor: (seconds) =>
      state.failingSinceMs !== undefined && performance.now() - state.failingSinceMs >= seconds * 1000,
  };
}

function look<Content>(watching: Watching<Content>, state: Watched<Content>): Freshness {
  const nowMs = performance.now();
  try {
    const facts = statSync(watching.path);
    if (!facts.isFile()) throw new FileFault('not a regular file'); // readable or not, and settled or not
    if (facts.size === 0) throw new FileFault('zero bytes long');
    if (facts.size > maxKeyFileBytes) throw new FileFault(`larger than ${maxKeyFileBytes / 1048576} MB`);
    if (state.rejected?.version === versionOf(facts)) throw new FileFault(state.rejected.why);
    const { judged, seen } = judgeChange(facts, state.seen, nowMs);
    state.seen = seen;
    if (judged === 'unsettled') return 'unsettled';
    return judged === 'read' && !read(watching, state, nowMs) ? 'unsettled' : 'fresh';
  } catch (error) {
    noteFault(watching, state, describeFault(error));
    return 'faulty';
  }
}

// Returns false when the file changed during the read.
function read<Content>({ path, what, parse, log }: Watching<Content>, state: Watched<Content>, nowMs: number): boolean {
  const { bytes, stats, isWhole } = readRegularFile(path, maxKeyFileBytes);
  if (!isWhole) return false;
  const version = versionOf(stats);
  try {
    state.content = parse(bytes);
  } catch (error) {
    state.rejected = { version, why: describeFault(error) };
    throw error;
  }
  state.seen = noteRead(version, state.seen, nowMs);
  state.rejected = undefined;
  state.failingSinceMs = undefined;
  if (state.reported !== undefined) log.info({ file: path }, `${what} usable`);
  state.reported = undefined;
  return true;
}

function noteFault<Content>(watching: Watching<Content>, state: Watched<Content>, why: string): void {
  const { path, what, notThereYet, log } = watching;
  const nowMs = performance.now(); // monotonic: the system clock may jump
  state.failingSinceMs ??= nowMs;
  // Once the file has settled, it is read again.
  if (state.content !== undefined) state.seen = noteUnreadable();
  if (state.reported?.text === why && nowMs - state.reported.atMs < reportEveryMs) return;
  state.reported = { text: why, atMs: nowMs };
  if (notThereYet !== undefined && state.content === undefined && why === 'ENOENT')
    return log.info({ file: path }, notThereYet);
  const consequence = state.content === undefined ? '' : '; keys loaded before stay in use';
  log.error({ file: path, why }, `${what} not usable${consequence}`);
}
