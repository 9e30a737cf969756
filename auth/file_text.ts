// Whether the bytes of a file that others write are text: one rule for key files, deny lists, key sets and settings. A
// damaged file is refused as a whole, so that the damage lifts no refusal and adds no key.

import type { Platform } from './platform.js';

export type FileText = { text: string } | { fault: string };

/**
 * Reads the bytes of a text file: UTF-8 (RFC 3629), with or without a byte order mark.
 * @returns the text without the byte order mark, or the fault: UTF-16, NUL bytes (left by a power cut), or not UTF-8
 */
export function readFileText(bytes: Uint8Array, platform: Pick<Platform, 'decodeUtf8'>): FileText {
  const [first, second, third] = [bytes[0], bytes[1], bytes[2]];
  const isUtf16 = (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff);
  if (isUtf16) return { fault: 'UTF-16, as PowerShell writes it: save it as UTF-8' };
  const hasMark = first === 0xef && second === 0xbb && third === 0xbf;
  const text = platform.decodeUtf8(hasMark ? bytes.subarray(3) : bytes);
  if (text === undefined) return { fault: 'not UTF-8: damaged, or in another encoding' };
  if (text.indexOf('\0') >= 0) return { fault: 'holds NUL bytes: damaged, as after a power cut' };
  return { text };
}

/** Splits a text into lines that end with CR, LF or CRLF. */
export function splitLines(text: string): string[] {
  return (text.indexOf('\r') < 0 ? text : text.replace(/\r\n?/g, '\n')).split('\n');
}
