// Which certificates an entry of the key file stands for: the one with a fingerprint, or all with a subject.

import type { Platform } from './platform.js';

const maxSubjectCharacters = 1024;

/** Names the entry of a certificate by its thumbprint. No SHA-256 of an API key looks like this. */
export function certificateHash(thumbprint: string): string {
  return `x509:${thumbprint}`;
}

/** Names the entry of all certificates with one subject; likewise. */
export function subjectHash(subject: string, platform: Pick<Platform, 'sha256'>): string {
  return `x509-subject:${platform.sha256(subject)}`;
}

type Written = { kind: 'x509' | 'x509-subject'; hash: string } | { problem: string };

const fingerprintMark = '$x509$';
const subjectMark = '$x509-subject$';

/**
 * Parses what stands in a line of the key file in the place of a hash.
 * @param text printable ASCII without a space
 * @returns the entry's kind and hash, or what is wrong with it; undefined where the text is about no certificate
 */
export function parseCertificateEntry(text: string, platform: Platform): Written | undefined {
  if (text.slice(0, fingerprintMark.length) === fingerprintMark)
    return parseFingerprint(text.slice(fingerprintMark.length), platform);
  if (text.slice(0, subjectMark.length) === subjectMark) return parseSubject(text.slice(subjectMark.length), platform);
  return undefined;
}

/** Whether a line has the fingerprint in hex. */
export function isFingerprintInHex(line: string): boolean {
  return /\$x509\$[0-9A-Fa-f:]{64}/.test(line);
}

// SHA-256 in base64url, as tokens have it; also in hex, with or without colons, as OpenSSL prints it.
function parseFingerprint(text: string, platform: Platform): Written {
  if (text.length === 43) {
    return platform.decodeBase64url(text) === undefined
      ? { problem: 'the $x509$ value is not the base64url of 32 bytes' }
      : { kind: 'x509', hash: certificateHash(text) };
  }
  const digits = /^[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2})+$/.test(text) ? text.replace(/:/g, '') : text;
  if (/^[0-9A-Fa-f]{64}$/.test(digits))
    return { kind: 'x509', hash: certificateHash(hexToBase64url(digits, platform)) };
  if (/^[0-9A-Fa-f]{40}$/.test(digits))
    return { problem: 'this is a SHA-1 fingerprint: $x509$ expects SHA-256 of the certificate, in base64url' };
  return { problem: '$x509$ expects SHA-256 of the certificate (DER), as 43 characters of base64url' };
}

function hexToBase64url(digits: string, platform: Platform): string {
  const bytes = new Uint8Array(digits.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = parseInt(digits.slice(2 * i, 2 * i + 2), 16);
  return platform.encodeBase64url(bytes);
}

// As nginx writes it (RFC 4514), with `%20` for a space and `%25` for `%`.
function parseSubject(text: string, platform: Platform): Written {
  if (!/^[A-Za-z0-9.]+=/.test(text) || /%(?!2[0-9A-Fa-f]|[3-7][0-9A-Fa-f])/.test(text) || /%7[Ff]/.test(text))
    return {
      problem: '$x509-subject$ expects a subject such as CN=carol,O=Example, with %20 for a space and %25 for %',
    };
  const subject = text.replace(/%(..)/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  return subject.length > maxSubjectCharacters
    ? { problem: `the subject is longer than ${maxSubjectCharacters} characters` }
    : { kind: 'x509-subject', hash: subjectHash(subject, platform) };
}
