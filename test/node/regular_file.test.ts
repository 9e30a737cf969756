// An admin who puts a directory, a FIFO or a huge file in the place of a file.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { describeFault, FileFault, readRegularFile } from '../../node/regular_file.js';

const dir = mkdtempSync(join(tmpdir(), 'keygate-regular-'));
const file = join(dir, 'file');
const fifo = join(dir, 'fifo');
execFileSync('mkfifo', [fifo]);

afterAll(() => rmSync(dir, { recursive: true, force: true }));

const faultOf = (path: string, maxBytes = 10): unknown => {
  try {
    return readRegularFile(path, maxBytes);
  } catch (error) {
    return error;
  }
};

it('reads a file up to its bound, with what stat says of it', () => {
  writeFileSync(file, 'x'.repeat(10));
  expect(readRegularFile(file, 10)).toMatchObject({
    bytes: Buffer.from('x'.repeat(10)),
    stats: { size: 10 },
  });
  expect(faultOf(file, 9)).toBeInstanceOf(FileFault);
});

it('refuses what is no regular file without waiting for it', () => {
  for (const path of [fifo, dir, '/dev/zero']) expect(faultOf(path), path).toEqual(new FileFault('not a regular file'));
});

it('describes a fault by its code, if it has one', () => {
  expect(describeFault(faultOf(join(dir, 'missing')))).toBe('ENOENT');
  expect(describeFault(faultOf(fifo))).toBe('not a regular file');
});
