// Whether a watched file must be read again, from what stat says of it. Asked alike by nginx and by the sidecar, so
// that both take the same moment for the end of a write.

/** What stat says; times in Unix milliseconds. */
export interface FileFacts {
  mtimeMs: number;
  ctimeMs: number;
  size: number;
  ino: number;
}

/** What is known of a file from earlier reads. */
export interface LastRead {
  /** As `versionOf` gave it when the file was last read. */
  version: string;
  /** When a file of this version was first read, and when last, by our own clock. */
  firstReadMs: number;
  lastReadMs: number;
}

const settleMs = 150; // a file written to just now may be half-written
const fineGrainMs = 100; // within this a second change may leave no trace in the file's times
const coarseGrainMs = 2000; // the same where times are kept in whole seconds (FAT: two)
const apartMs = 500;

/** Names a state of the file: whoever writes to it changes its ctime, if not its mtime and size. */
export function versionOf({ mtimeMs, ctimeMs, size, ino }: FileFacts): string {
  return `${mtimeMs}:${ctimeMs}:${size}:${ino}`;
}

/**
 * Says what to do about a file.
 * @param seen undefined when it was never read
 * @returns `same`: as it was read; `unsettled`: somebody is writing to it; `read`: it may have changed
 */
export function judgeChange(
  facts: FileFacts,
  seen: LastRead | undefined,
  nowMs: number,
): 'same' | 'unsettled' | 'read' {
  if (seen === undefined) return 'read';
  if (seen.version !== versionOf(facts)) {
    const ageMs = nowMs - facts.mtimeMs; // slightly below zero for a file of this very millisecond
    return Math.abs(ageMs) < settleMs ? 'unsettled' : 'read';
  }
  const grainMs = facts.ctimeMs % 1000 === 0 ? coarseGrainMs : fineGrainMs;
  if (Math.abs(seen.lastReadMs - seen.firstReadMs) >= grainMs) return 'same';
  const isDue = Math.abs(nowMs - seen.firstReadMs) >= grainMs || Math.abs(nowMs - seen.lastReadMs) >= apartMs;
  return isDue ? 'read' : 'same';
}

/** What to remember after a file was read. */
export function noteRead(version: string, seen: LastRead | undefined, nowMs: number): LastRead {
  const firstReadMs = seen !== undefined && seen.version === version ? seen.firstReadMs : nowMs;
  return { version, firstReadMs, lastReadMs: nowMs };
}
