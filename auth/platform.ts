// What auth/ needs from the engine it runs in: primitives that nginx's JavaScript and Node.js name
// differently. njs/platform.ts and node/crypto.ts implement it.

import type { SignatureAlgorithm, Jwk } from './algorithms.js';

export interface Platform {
  /**
   * Strict base64url (RFC 7515 section 2): no padding, no other alphabet, no stray trailing bits.
   * @returns the bytes, or undefined when `text` is anything else
   */
  decodeBase64url(text: string): Uint8Array | undefined;
  /** @returns base64url without padding (RFC 7515 section 2) */
  encodeBase64url(bytes: Uint8Array): string;
  /** @returns the text, or undefined when `bytes` are not valid UTF-8 */
  decodeUtf8(bytes: Uint8Array): string | undefined;
  /** @returns SHA-256 of bytes, or of a text's UTF-8 bytes, as base64url without padding (43 characters) */
  sha256(content: string | Uint8Array): string;
  /** @returns HMAC-SHA-256 of the text under `secret`, as base64url without padding (43 characters) */
  hmacSha256(secret: string, text: string): string;
  /**
   * Verifies a JWS signature. The key has been checked to fit the algorithm.
   * @returns whether the signature holds; never throws for a bad signature
   */
  verifySignature(check: SignatureCheck): Promise<SignatureResult>;
}

export interface SignatureCheck {
  algorithm: SignatureAlgorithm;
  jwk: Jwk;
  /** The JWS signing input: `header.payload` as sent (ASCII). */
  signedText: string;
  signature: Uint8Array;
}

/** `unavailable`: nothing here can check this algorithm now (EdDSA while the sidecar is away). */
export type SignatureResult = 'valid' | 'invalid' | 'unavailable';
