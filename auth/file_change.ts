// Whether a watched file must be read again, from what stat says of it. Asked alike by nginx and by the sidecar, so
// that both take the same moment for the end of a write.

/** What stat says; times in Unix milliseconds. */
export interface FileFacts {
  mtimeMs: number;
  ctimeMs: number;
  size: number;
  ino: number;
}

/** What is known of a file from earlier stats and reads. Times are of our own clock, which may jump. */
export interface SeenFile {
  /** As `versionOf` gave it when the file was last read. */
  version: string;
  /** When this version was first read, and when last. */
  firstReadMs: number;
  lastReadMs: number;
  /** A version that a stat has seen since; empty for none. It counts once a later stat sees it too. */
  candidate: string;
  candidateMs: number;
}

export interface Judgement {
  /** `same`: as it was read; `unsettled`: somebody may be writing to it; `read`: it has changed, or may have. */
  judged: 'same' | 'unsettled' | 'read';
  /** What to remember, where that has changed. */
  seen: SeenFile | undefined;
}

const settleMs = 150; // for so long a version must stand: a file that is written in place is whole only then
const fineGrainMs = 100; // within this a second change may leave no trace in the file's times
const coarseGrainMs = 2000; // the same where times are kept in whole seconds (FAT: two)
const apartMs = 500;

/** Names a state of the file: whoever writes to it changes its ctime, if not its mtime and size. */
export function versionOf({ mtimeMs, ctimeMs, size, ino }: FileFacts): string {
  return `${mtimeMs}:${ctimeMs}:${size}:${ino}`;
}

/**
 * Says what to do about a file. Differences between times count without their sign: after a jump of the clock a file is
 * read once too often, never once too seldom.
 * @param seen undefined when it was never read
 */
export function judgeChange(facts: FileFacts, seen: SeenFile | undefined, nowMs: number): Judgement {
  if (seen === undefined) return { judged: 'read', seen };
  const version = versionOf(facts);
  if (seen.version === version) return { judged: isReadOften(facts, seen, nowMs) ? 'same' : 'read', seen };
  if (seen.candidate !== version) {
    const { firstReadMs, lastReadMs } = seen;
    const waiting = { version: seen.version, firstReadMs, lastReadMs, candidate: version, candidateMs: nowMs };
    return { judged: 'unsettled', seen: waiting };
  }
  return { judged: Math.abs(nowMs - seen.candidateMs) < settleMs ? 'unsettled' : 'read', seen };
}

function isReadOften({ ctimeMs }: FileFacts, { firstReadMs, lastReadMs }: SeenFile, nowMs: number): boolean {
  const grainMs = ctimeMs % 1000 === 0 ? coarseGrainMs : fineGrainMs;
  if (Math.abs(lastReadMs - firstReadMs) >= grainMs) return true;
  return Math.abs(nowMs - firstReadMs) < grainMs && Math.abs(nowMs - lastReadMs) < apartMs;
}

/** What to remember after a file was read. */
export function noteRead(version: string, seen: SeenFile | undefined, nowMs: number): SeenFile {
  const firstReadMs = seen !== undefined && seen.version === version ? seen.firstReadMs : nowMs;
  return { version, firstReadMs, lastReadMs: nowMs, candidate: '', candidateMs: 0 };
}

/** What to remember of a file that can't be read: whatever stands in its place later is new. */
export function noteUnreadable(): SeenFile {
  return { version: 'unreadable', firstReadMs: 0, lastReadMs: 0, candidate: '', candidateMs: 0 };
}
