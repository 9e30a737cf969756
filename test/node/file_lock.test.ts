// Two admins who edit a file at the same time, and a command that was killed while it held the lock.

import { existsSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { takeLock } from '../../node/file_lock.js';

let dir = '';
let lock = '';

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'keygate-lock-'));
  lock = join(dir, 'file.lock');
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

const nobody = 4194999; // above the largest process id of Linux

describe('takeLock', () => {
  it('gives one holder at a time the lock, also when all of them found a stale one', async () => {
    let holders = 0;
    let most = 0;
    for (let round = 0; round < 5; round++) {
      writeFileSync(lock, `${nobody} 1 ${hostname()} x`);
      const work = async () => {
        const giveBack = await takeLock(lock);
        most = Math.max(most, ++holders);
        await new Promise((resolve) => setTimeout(resolve, 5));
        holders--;
        giveBack();
      };
      await Promise.all(Array.from({ length: 15 }, work));
    }
    expect(most).toBe(1);
    expect(existsSync(lock)).toBe(false);
  });

  it('takes over a lock of another machine only when it is half a minute old', async () => {
    writeFileSync(lock, `${nobody} 1 another-machine x`);
    const taken = takeLock(lock);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(readFileSync(lock, 'utf8')).toContain('another-machine');
    const past = Date.now() / 1000 - 31;
    utimesSync(lock, past, past);
    (await taken)();
    expect(existsSync(lock)).toBe(false);
  });

  it.each([
    ['is empty, as a crash leaves it', ''],
    ['names nobody', 'x'],
    ['names a process that is gone', `${nobody} 1 ${hostname()} x`],
    ['names a process of which another has the id now', `${process.pid} 1 ${hostname()} x`],
  ])('takes a lock over at once that %s', async (_, content) => {
    writeFileSync(lock, content);
    const begunMs = performance.now();
    (await takeLock(lock))();
    expect(performance.now() - begunMs).toBeLessThan(2000);
    expect(existsSync(lock)).toBe(false);
  });

  it('leaves a lock alone whose holder lives, however old it is', async () => {
    const giveBack = await takeLock(lock);
    utimesSync(lock, 1, 1);
    const waiting = takeLock(lock);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const held = readFileSync(lock, 'utf8');
    expect(held).toContain(String(process.pid));
    giveBack();
    (await waiting)();
  });

  it('gives back only its own lock', async () => {
    const giveBack = await takeLock(lock);
    writeFileSync(lock, 'somebody else, who found it stale');
    giveBack();
    expect(existsSync(lock)).toBe(true);
  });
});
