// Reading a file that somebody else puts there. Anything but a regular file is refused unread: opening a FIFO would
// stop the whole process until somebody writes to it, and a device may never end.

import { closeSync, constants, fstatSync, openSync, readFileSync, type Stats } from 'node:fs';

/** A fault of a file, in words fit for a log. */
export class FileFault extends Error {}

export interface ReadFile {
  bytes: Buffer;
  /** As it was before it was read: a change in between shows at the next look. */
  stats: Stats;
  /** False when it changed while it was being read. */
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
