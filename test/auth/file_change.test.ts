// An admin who edits a file while it is read, on a machine whose clock may jump.

import { describe, expect, it } from 'vitest';
import {
  judgeChange,
  noteRead,
  noteUnreadable,
  versionOf,
  type FileFacts,
  type SeenFile,
} from '../../auth/file_change.js';

const now = 1_800_000_000_500;
const old: FileFacts = { mtimeMs: now - 9000.25, ctimeMs: now - 9000.25, size: 10, ino: 1 };
const readAt = (facts: FileFacts, ...timesMs: number[]) => {
  let seen = noteRead(versionOf(facts), undefined, timesMs[0] as number);
  for (const timeMs of timesMs.slice(1)) seen = noteRead(versionOf(facts), seen, timeMs);
  return seen;
};
const judge = (facts: FileFacts, seen: SeenFile | undefined, nowMs: number) => judgeChange(facts, seen, nowMs).judged;
/** What the last of several stats, each of a version of the file, says. */
const judgeAll = (seen: SeenFile | undefined, stats: [FileFacts, number][]) =>
  stats.reduce((last, [facts, timeMs]) => judgeChange(facts, last.seen, timeMs), { judged: '' as string, seen });

describe('judgeChange', () => {
  it('reads a file that it has not seen, however new', () => {
    expect(judge(old, undefined, now)).toBe('read');
    expect(judge({ ...old, mtimeMs: now }, undefined, now)).toBe('read');
  });

  it.each([
    ['its size', { size: 11 }],
    ['its mtime', { mtimeMs: now - 8000 }],
    ['its inode', { ino: 2 }],
    ['its ctime alone, as after chmod or a write that puts mtime back', { ctimeMs: now - 1 }],
  ])('reads a file that has changed %s, once two stats agree', (_, change) => {
    const seen = readAt(old, now - 5000, now - 4000);
    expect(judge(old, seen, now)).toBe('same');
    const changed = { ...old, ...change };
    expect(judge(changed, seen, now)).toBe('unsettled');
    const second = [changed, now + 200] as [FileFacts, number];
    expect(judgeAll(seen, [[changed, now], second]).judged).toBe('read');
  });

  it('waits for as long as somebody writes to a file in its place', () => {
    const seen = readAt(old, now - 5000, now - 4000);
    const writing = [11, 12, 13, 14].map((size, i) => [{ ...old, size }, now + 200 * i] as [FileFacts, number]);
    expect(judgeAll(seen, writing).judged).toBe('unsettled');
    const last = writing[3]?.[0] as FileFacts;
    expect(judgeAll(seen, [...writing, [last, now + 700]]).judged, 'for 150 ms').toBe('unsettled');
    expect(judgeAll(seen, [...writing, [last, now + 750]]).judged).toBe('read');
  });

  it('settles whatever the clock does meanwhile', () => {
    const seen = readAt(old, now - 5000, now - 4000);
    const changed = { ...old, size: 11 };
    for (const jumpMs of [-3600000, 3600000]) {
      expect(
        judgeAll(seen, [
          [changed, now],
          [changed, now + 200 + jumpMs],
        ]).judged,
      ).toBe('read');
    }
  });

  it('reads a file anew that could not be read', () => {
    expect(
      judgeAll(noteUnreadable(), [
        [old, now],
        [old, now + 200],
      ]).judged,
    ).toBe('read');
  });

  it('reads once more after 100 ms, as a second change may have left no trace, and then never again', () => {
    expect(judge(old, readAt(old, now), now + 99)).toBe('same');
    expect(judge(old, readAt(old, now), now + 100)).toBe('read');
    expect(judge(old, readAt(old, now, now + 100), now + 1e9)).toBe('same');
    expect(judge(old, readAt(old, now), now - 3600000), 'a clock put back').toBe('read');
  });

  it('goes on reading for two seconds, twice a second, where times are whole seconds', () => {
    const coarse = { ...old, ctimeMs: now - (now % 1000) - 9000 };
    const reads = [now];
    for (let timeMs = now; timeMs < now + 20000; timeMs += 50) {
      if (judge(coarse, readAt(coarse, ...reads), timeMs) === 'read') reads.push(timeMs);
    }
    expect(reads.map((timeMs) => timeMs - now)).toEqual([0, 500, 1000, 1500, 2000]);
  });
});
