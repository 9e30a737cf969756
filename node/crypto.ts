// auth/'s platform on Node.js.

import { createHash, createHmac, webcrypto } from 'node:crypto';
import { algorithms, publicMembers } from '../auth/algorithms.js';
import type { Platform, SignatureCheck, SignatureResult } from '../auth/platform.js';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The primitives of auth/ by Node's own cryptography. */
export const nodePlatform: Platform = {
  decodeBase64url(text) {
    const bytes = Buffer.from(text, 'base64url');
    return bytes.toString('base64url') === text ? bytes : undefined;
  },
  encodeBase64url: (bytes) => Buffer.from(bytes).toString('base64url'),
  decodeUtf8(bytes) {
    try {
      return utf8.decode(bytes);
    } catch {
      return undefined;
    }
  },
  sha256: (content) => createHash('sha256').update(content).digest('base64url'),
  hmacSha256: (secret, text) => createHmac('sha256', secret).update(text).digest('base64url'),
  verifySignature,
};

async function verifySignature(check: SignatureCheck): Promise<SignatureResult> {
  const algorithm = algorithms[check.algorithm];
  try {
    const jwk = publicMembers(check.jwk);
    const key = await webcrypto.subtle.importKey('jwk', jwk, algorithm.import as never, false, ['verify']);
    const data = Buffer.from(check.signedText);
    const isValid = await webcrypto.subtle.verify(algorithm.verify as never, key, check.signature, data);
    return isValid ? 'valid' : 'invalid';
  } catch {
    return 'invalid'; // for example, a point off the curve
  }
}
