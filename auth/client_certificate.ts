// A client's TLS certificate, as nginx tells of it. TLS has proved that the client holds the certificate's private key,
// whoever has signed the certificate (RFC 8446 section 4.4.3).

import type { Platform } from './platform.js';
import type { Reason } from './refusals.js';

export interface ClientCertificate {
  /** SHA-256 of the certificate's DER, as base64url: the `x5t#S256` of RFC 8705 section 3.1. */
  thumbprint: string;
  /** The subject as nginx writes it; undefined unless nginx has verified the certificate by an authority. */
  verifiedSubject: string | undefined;
  /** From when the certificate no longer holds, in Unix seconds. */
  endSeconds: number;
}

const maxCharacters = 32768; // of the whole text

/**
 * Reads what nginx tells of a certificate (`$keygate_certificate` in nginx/snippets/asking.conf).
 * @param text `$ssl_client_verify`, `$ssl_client_v_end`, `$ssl_client_s_dn` and `$ssl_client_escaped_cert`, with tabs
 * between them
 * @returns the certificate, or the reason why it counts for nothing
 */
export function readCertificate(
  text: string,
  nowSeconds: number,
  platform: Platform,
): ClientCertificate | { reason: Reason } {
  const [verify, end, subject, pem, more] = text.length > maxCharacters ? [] : text.split('\t');
  const endSeconds = end === undefined ? undefined : parseEnd(end);
  const der = pem === undefined || more !== undefined ? undefined : decodePem(pem, platform);
  if (endSeconds === undefined || der === undefined) return { reason: 'unusable_certificate' };
  if (endSeconds <= nowSeconds) return { reason: 'expired_certificate' };
  const isVerified = verify === 'SUCCESS' && subject !== '';
  return { thumbprint: platform.sha256(der), verifiedSubject: isVerified ? subject : undefined, endSeconds };
}

const months = 'JanFebMarAprMayJunJulAugSepOctNovDec';

// As OpenSSL prints a time: `Nov  8 10:00:00 2027 GMT`.
function parseEnd(text: string): number | undefined {
  const found = /^([A-Z][a-z][a-z]) ([ \d]\d) (\d\d):(\d\d):(\d\d) (\d{4}) GMT$/.exec(text);
  if (found === null) return undefined;
  const month = months.indexOf(found[1] as string) / 3;
  const [day, hour, minute, second, year] = found.slice(2).map(Number) as [number, number, number, number, number];
  return Date.UTC(year, month, day, hour, minute, second) / 1000;
}

const lineEnd = '%0A';

// PEM (RFC 7468) in which nginx has escaped all but letters, digits and `-._~`.
function decodePem(escaped: string, platform: Platform): Uint8Array | undefined {
  const lines = escaped.split(lineEnd);
  const last = lines.length - 1;
  const isFramed = lines[0] === '-----BEGIN%20CERTIFICATE-----' && lines[last - 1] === '-----END%20CERTIFICATE-----';
  if (last < 3 || !isFramed || lines[last] !== '') return undefined;
  const base64 = lines.slice(1, last - 1).join('');
  const text = base64
    .replace(/%2B/g, '-')
    .replace(/%2F/g, '_')
    .replace(/(?:%3D)+$/, '');
  return platform.decodeBase64url(text);
}
