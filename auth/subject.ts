// A subject made safe for headers and logs, so that no two look alike: every byte outside 0x21-0x7E, and `%`,
// is percent-encoded as UTF-8 (RFC 3986 section 2.1).

/** The longest encoded subject, in bytes. */
const maxSubjectBytes = 256;

const plain = /^[\x21-\x24\x26-\x7e]*$/;

/**
 * Encodes a subject or an issuer for a header.
 * @returns at most 256 bytes, or undefined for a text that can't be one: with control characters, lone surrogates or
 * U+FFFD, or too long
 */
export function encodeSubject(text: string): string | undefined {
  const encoded = plain.test(text) ? text : encodeUnusual(text);
  return encoded === undefined || encoded.length > maxSubjectBytes ? undefined : encoded;
}

function encodeUnusual(text: string): string | undefined {
  // U+FFFD: the old engine's JSON.parse puts it in the place of a lone surrogate.
  if (/[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffd]/.test(text) || hasLoneSurrogate(text)) return undefined;
  return encodeURIComponent(text).replace(/%(2[1-46-9A-F]|3[A-F]|40|5[B-F]|60|7[B-E])/g, (_, hex: string) =>
    String.fromCharCode(parseInt(hex, 16)),
  );
}

function hasLoneSurrogate(text: string): boolean {
  const withoutPairs = text.replace(/[\ud800-\udbff][\udc00-\udfff]/g, '');
  return /[\ud800-\udfff]/.test(withoutPairs);
}
