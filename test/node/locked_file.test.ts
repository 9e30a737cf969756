// Editing in this process: what is kept of the file, and what is no file to edit.

import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { editLocked, lineEndOf } from '../../node/locked_file.js';

let dir = '';
let file = '';

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'keygate-locked-'));
  file = join(dir, 'file.txt');
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

const append = (text: string) => editLocked(file, (before) => before + text);

describe('editLocked', () => {
  it('makes no file where there is none and nothing to write', async () => {
    await append('');
    expect(readdirSync(dir)).toEqual([]);
  });

  it.runIf(process.getuid?.() === 0)('keeps owner and mode, whatever the umask', async () => {
    writeFileSync(file, 'a\n');
    chownSync(file, 1234, 4321);
    chmodSync(file, 0o664);
    const umask = process.umask(0o077);
    await append('b\n');
    process.umask(umask);
    const { uid, gid, mode } = statSync(file);
    expect({ uid, gid, mode: mode & 0o777 }).toEqual({ uid: 1234, gid: 4321, mode: 0o664 });
    expect(readFileSync(file, 'utf8')).toBe('a\nb\n');
  });

  it.runIf(process.getuid?.() === 0)('makes a new file with mode 0640 for the owner of its folder', async () => {
    chownSync(dir, 1234, 4321);
    const umask = process.umask(0o077);
    await append('a\n');
    process.umask(umask);
    const { uid, gid, mode } = statSync(file);
    expect({ uid, gid, mode: mode & 0o777 }).toEqual({ uid: 1234, gid: 4321, mode: 0o640 });
  });

  it('does not write over what is damaged', async () => {
    for (const bytes of [Buffer.from('# sch\xf6n\r\nkey\n', 'latin1'), Buffer.alloc(10)]) {
      writeFileSync(file, bytes);
      await expect(append('another\n')).rejects.toThrow(`can't use ${file}: `);
      expect(readFileSync(file)).toEqual(bytes);
    }
    writeFileSync(file, '# schön\n');
    await append('# größer\n');
    expect(readFileSync(file, 'utf8')).toBe('# schön\n# größer\n');
  });

  it('changes the file that a symlink leads to, and keeps the symlink', async () => {
    mkdirSync(join(dir, 'real'));
    const real = join(dir, 'real', 'keys.txt');
    writeFileSync(real, 'a\n');
    symlinkSync(real, file);
    await append('b\n');
    expect(lstatSync(file).isSymbolicLink()).toBe(true);
    expect(readFileSync(real, 'utf8')).toBe('a\nb\n');
    expect(readdirSync(dir).sort()).toEqual(['file.txt', 'real']);
    rmSync(real);
    await expect(append('c\n')).rejects.toThrow('symlink that leads nowhere (ENOENT)');
  });

  it.each([
    ['a FIFO', () => execFileSync('mkfifo', [file]), 'not a regular file'],
    ['a directory', () => mkdirSync(file), 'not a regular file'],
    ['a device', () => symlinkSync('/dev/zero', file), 'not a regular file'],
    ['a symlink to itself', () => symlinkSync(file, file), 'ELOOP'],
    ['a file of 33 MB', () => writeFileSync(file, Buffer.alloc(33 * 1048576)), 'larger than 32 MB'],
  ])('refuses %s and leaves it as it is', async (_, make, why) => {
    make();
    const before = lstatSync(file);
    await expect(append('a\n')).rejects.toThrow(why);
    expect(lstatSync(file)).toMatchObject({ ino: before.ino, size: before.size });
    expect(readdirSync(dir)).toEqual(['file.txt']);
  });

  it('leaves everything as it is when the change is refused', async () => {
    writeFileSync(file, 'a\n');
    const { ino } = statSync(file);
    await expect(editLocked(file, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    await editLocked(file, (text) => text);
    expect(statSync(file).ino).toBe(ino);
    expect(readdirSync(dir)).toEqual(['file.txt']);
  });

  it('loses no line of 40 at once', async () => {
    await Promise.all(Array.from({ length: 40 }, (_, i) => append(`${i}\n`)));
    const numbers = readFileSync(file, 'utf8').trim().split('\n').map(Number);
    expect(numbers.sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, i) => i));
  });
});

it.each([
  ['', '\n'],
  ['a', '\n'],
  ['a\n', '\n'],
  ['a\r\n', '\r\n'],
  ['a\r\nb', '\r\n'],
  ['a\r\nb\n', '\n'],
])('takes %j for a text whose lines end with %j', (text, end) => {
  expect(lineEndOf(text)).toBe(end);
});
