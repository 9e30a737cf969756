// An admin who edits a file while it is read.

import { describe, expect, it } from 'vitest';
import { judgeChange, versionOf, noteRead, type FileFacts } from '../../auth/file_change.js';

const now = 1_800_000_000_500;
const old: FileFacts = { mtimeMs: now - 9000.25, ctimeMs: now - 9000.25, size: 10, ino: 1 };
const readAt = (facts: FileFacts, ...timesMs: number[]) => {
  let seen = noteRead(versionOf(facts), undefined, timesMs[0] as number);
  for (const timeMs of timesMs.slice(1)) seen = noteRead(versionOf(facts), seen, timeMs);
  return seen;
};

describe('judgeChange', () => {
  it('reads a file that it has not seen, however new', () => {
    expect(judgeChange(old, undefined, now)).toBe('read');
    expect(judgeChange({ ...old, mtimeMs: now }, undefined, now)).toBe('read');
  });

  it.each([
    ['its size', { size: 11 }],
    ['its mtime', { mtimeMs: now - 8000 }],
    ['its inode', { ino: 2 }],
    ['its ctime alone, as after chmod or a write that puts mtime back', { ctimeMs: now - 1 }],
  ])('reads a file that has changed %s', (_, change) => {
    const seen = readAt(old, now - 5000, now - 4000);
    expect(judgeChange(old, seen, now)).toBe('same');
    expect(judgeChange({ ...old, ...change }, seen, now)).toBe('read');
  });

  it('waits until nobody has written to a changed file for 150 ms', () => {
    const seen = readAt(old, now - 5000, now - 4000);
    const written = { ...old, mtimeMs: now - 149.5, size: 11 };
    expect(judgeChange(written, seen, now)).toBe('unsettled');
    expect(judgeChange(written, seen, now + 1)).toBe('read');
    expect(judgeChange({ ...written, mtimeMs: now + 0.5 }, seen, now), 'in this very millisecond').toBe('unsettled');
    expect(judgeChange({ ...written, mtimeMs: now + 60000 }, seen, now), 'a clock that is ahead').toBe('read');
  });

  it('reads once more after 100 ms, as a second change may have left no trace, and then never again', () => {
    expect(judgeChange(old, readAt(old, now), now + 99)).toBe('same');
    expect(judgeChange(old, readAt(old, now), now + 100)).toBe('read');
    expect(judgeChange(old, readAt(old, now, now + 100), now + 1e9)).toBe('same');
    expect(judgeChange(old, readAt(old, now), now - 3600000), 'a clock put back').toBe('read');
  });

  it('goes on reading for two seconds, twice a second, where times are whole seconds', () => {
    const coarse = { ...old, ctimeMs: now - (now % 1000) - 9000 };
    const reads = [now];
    for (let timeMs = now; timeMs < now + 20000; timeMs += 50) {
      if (judgeChange(coarse, readAt(coarse, ...reads), timeMs) === 'read') reads.push(timeMs);
    }
    expect(reads.map((timeMs) => timeMs - now)).toEqual([0, 500, 1000, 1500, 2000]);
  });
});
