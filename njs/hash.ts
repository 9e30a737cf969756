// Hashes of njs, as base64url.

import nodeCrypto from 'crypto'; // named `crypto` it would hide WebCrypto

export { nodeCrypto };

/** @returns SHA-256 as base64url */
export function sha256(text: string): string {
  return nodeCrypto.createHash('sha256').update(text).digest('base64url');
}

/** @returns HMAC-SHA-256 as base64url */
export function hmacSha256(secret: string, text: string): string {
  return nodeCrypto.createHmac('sha256', secret).update(text).digest('base64url');
}
