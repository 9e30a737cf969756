// Which files of others are read. Anything but a regular file is refused unread: opening a FIFO would stop the whole
// process until another process writes to it, and a device may never end.

import { readFileText } from '../auth/file_text.js';
import { nodePlatform } from './crypto.js';
import { Fault } from './fault.js';
import { closeSync, constants, fstatSync, openSync, readFileSync, type Stats } from 'node:fs';

/** A fault of a file, in words fit for a log. */
export class FileFault extends Error {}

export interface ReadFile {
  bytes: Buffer;
  /** The stat from before the read: a change during the read shows at the next stat. */
  stats: Stats;
  /** False when the file changed during the read. */
  isWhole: boolean;
}

/**
 * Reads a regular file.
 * @throws FileFault for another kind of file or a larger one; errors of the system have a `code`
 */
export function readRegularFile(path: string, maxBytes: number): ReadFile {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stats = fstatSync(file);
    if (!stats.isFile()) throw new FileFault('not a regular file');
    if (stats.size > maxBytes) throw new FileFault(`larger than ${maxBytes / 1048576} MB`);
    const bytes = readFileSync(file);
    const after = fstatSync(file);
    return { bytes, stats, isWhole: after.ctimeMs === stats.ctimeMs && bytes.length === after.size };
  } finally {
    closeSync(file);
  }
}

/** @returns what is wrong with a file, in words fit for a log */
export function describeFault(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === 'ENXIO' ? 'not a regular file' : (code ?? message); // opening a socket
}

/**
 * The text of bytes that were read.
 * @throws FileFault when the bytes are no text, or may be damaged (auth/file_text.ts)
 */
export function textOf(bytes: Buffer): string {
  const content = readFileText(bytes, nodePlatform);
  if ('fault' in content) throw new FileFault(content.fault);
  return content.text;
}

/**
 * Reads a text file.
 * @returns its text; empty where there is no file
 * @throws Fault that names the file, where it can't be read or trusted
 */
export function readText(path: string, maxBytes: number): string {
  try {
    return textOf(readRegularFile(path, maxBytes).bytes);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return '';
    throw new Fault(`can't use ${path}: ${describeFault(error)}`);
  }
}
