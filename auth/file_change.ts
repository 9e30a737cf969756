// Whether a watched file must be read again, judged by its stat. nginx and the sidecar share this rule, so that both
// take the same moment for the end of a write.

/** What stat says; times in Unix milliseconds. */
export interface FileFacts {
  mtimeMs: number;
  ctimeMs: number;
  size: number;
  ino: number;
}

/** What earlier stats and reads have shown of a file. The times come from our own clock, which may jump. */
export interface SeenFile {
  /** As `versionOf` gave it when the file was last read. */
  version: string;
  /** When this version was first read, and when last. */
  firstReadMs: number;
  lastReadMs: number;
  /** A newer version that a stat has shown, or empty. The version counts once a later stat shows it too. */
  candidate: string;
  candidateMs: number;
}

export interface Judgement {
  /** `same`: unchanged since the last read; `unsettled`: a write may be under way; `read`: changed, or maybe so. */
  judged: 'same' | 'unsettled' | 'read';
  /** What to remember of the file; undefined where the file was never read. */
  seen: SeenFile | undefined;
}

const settleMs = 150; // a version must last this long: before, a file that is written in place may be incomplete
const fineGrainMs = 100; // a second change within this time may leave the file's times as they are
const coarseGrainMs = 2000; // the same on a file system that keeps times in whole seconds (FAT: two)
const apartMs = 500;

/** Names a state of the file: every write changes the ctime, even a write that keeps mtime and size. */
export function versionOf({ mtimeMs, ctimeMs, size, ino }: FileFacts): string {
  return `${mtimeMs}:${ctimeMs}:${size}:${ino}`;
}

/**
 * Says whether to read a file. Differences between times count without their sign: after a jump of the clock, a file is
 * read once too often, never once too seldom.
 * @param seen undefined when the file was never read
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

/** What to remember of a file that can't be read, so that any later content counts as new. */
export function noteUnreadable(): SeenFile {
  return { version: 'unreadable', firstReadMs: 0, lastReadMs: 0, candidate: '', candidateMs: 0 };
}
