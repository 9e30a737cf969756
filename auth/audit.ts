// What the audit log gets from a decision (docs/audit.md). A log_format of nginx can't cut a query off a path, and lets
// bytes through that are no JSON. So each value is printable ASCII and bounded before nginx logs the value.

import type { CarriedValue } from './identity_headers.js';

/** A value that the decision server sends to the nginx that asks, for the log alone. */
export type AuditedValue = Pick<CarriedValue, 'answerHeader' | 'variable'>;

/** What a request brings. In the decision server nginx makes these values itself, where they are clean. */
export const auditedOfRequest: AuditedValue[] = [
  { answerHeader: 'X-Keygate-Path', variable: 'keygate_path' },
  { answerHeader: 'X-Keygate-Trace-Id', variable: 'keygate_trace_id' },
  { answerHeader: 'X-Keygate-Session-Id', variable: 'keygate_session_id' },
  { answerHeader: 'X-Keygate-Agent-Id', variable: 'keygate_agent_id' },
  { answerHeader: 'X-Keygate-Parent-Agent-Id', variable: 'keygate_parent_agent_id' },
];

/** The longest path in the log, in bytes. */
const maxPathBytes = 256;
/** The longest session id or agent id in the log, in bytes. */
const maxIdBytes = 64;
/** Stands at the end of a value that was too long; no value has a `#` otherwise. */
const cutMark = '#cut';

/** A path that is logged as it is, as a pattern that JavaScript and nginx (PCRE) read alike. */
export const plainPathPattern = `[\\x21\\x22\\x24-\\x3e\\x40-\\x7e]{1,${maxPathBytes}}`;
/** A session id or agent id that is logged as it is. */
export const plainIdPattern = `^[A-Za-z0-9._:-]{1,${maxIdBytes}}$`;

/** The start of a valid `traceparent` until its trace id, and what must follow (W3C Trace Context section 3.2). */
export const traceparentPatterns = {
  before: '^(?!ff|00.{54})[0-9a-f]{2}-(?!0{32})',
  traceId: '[0-9a-f]{32}',
  after: '-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-|$)',
};

const questionMark = 0x3f;
const hash = 0x23;

/**
 * Encodes the path of a request target for the log.
 * @param target the bytes as the client sent them
 * @returns the path without its query, each byte outside printable ASCII as %XX, cut at 256 bytes with a mark
 */
export function encodePath(target: Uint8Array): string {
  let end = 0;
  while (end < target.length && end <= maxPathBytes && target[end] !== questionMark && target[end] !== hash) end++;
  return encodeBytes(target.subarray(0, end), maxPathBytes, isPrintable);
}

/**
 * Encodes a session id or agent id for the log.
 * @param bytes as the client sent them
 * @returns each byte but letters, digits and `._:-` as %XX, cut at 64 bytes with a mark
 */
export function encodeId(bytes: Uint8Array): string {
  return encodeBytes(bytes, maxIdBytes, isIdByte);
}

function isPrintable(byte: number): boolean {
  return byte >= 0x21 && byte <= 0x7e;
}

function isIdByte(byte: number): boolean {
  return /[A-Za-z0-9._:-]/.test(String.fromCharCode(byte));
}

function encodeBytes(bytes: Uint8Array, longest: number, isPlain: (byte: number) => boolean): string {
  const parts: string[] = [];
  let length = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    const part = isPlain(byte) ? String.fromCharCode(byte) : formatEscape(byte);
    length += part.length;
    if (length > longest) return parts.join('') + cutMark;
    parts.push(part);
  }
  return parts.join('');
}

function formatEscape(byte: number): string {
  return '%' + (byte < 16 ? '0' : '') + byte.toString(16).toUpperCase();
}
