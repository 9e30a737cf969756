// What the cluster secret gives: values that leave for the store are sealed (AES-256-GCM, NIST SP 800-38D) by keys
// derived from it (HKDF, RFC 5869), so that nothing counts that was not made by a node of this cluster.

import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { ClusterSettings } from '../settings/cluster.js';

export interface ClusterKeys {
  /**
   * @param purpose what the value is, such as `snapshot`: a value opens for no other purpose
   * @returns salt (16 bytes), nonce (12), ciphertext, tag (16)
   */
  seal: (purpose: string, text: string) => Buffer;
  /** @returns undefined for what no node of this cluster sealed for this purpose */
  open: (purpose: string, sealed: Buffer) => string | undefined;
  /** Equal on nodes with the same secret and prefix; tells nothing of the secret. */
  check: string;
  /** The HMAC key of entries' fingerprints, for STATE_DIR/public/entry_secret. */
  entrySecret: string;
  /** Names a content in 22 characters, for those who know the secret. */
  digest: (content: string) => string;
}

const saltBytes = 16;
const nonceBytes = 12;
const tagBytes = 16;

/**
 * Reads CLUSTER_SECRET_FILE.
 * @throws an error of the system where it can't be read
 */
export function openClusterKeys({ secretFile, prefix }: ClusterSettings): ClusterKeys {
  const secret = Buffer.from(readFileSync(secretFile).toString('latin1').trim(), 'latin1');
  const derive = (info: string, salt: Buffer = Buffer.alloc(0)) =>
    Buffer.from(hkdfSync('sha256', secret, salt, `keygate 1 ${info}`, 32));
  const mac = (info: string, text: string) => createHmac('sha256', derive(info)).update(text).digest('base64url');
  // A process seals with a key of its own: random nonces under one key are safe for 2^32 values only.
  const salt = randomBytes(saltBytes);
  const ownKey = derive('seal', salt);
  const dataOf = (purpose: string) => Buffer.from(`keygate 1 ${prefix} ${purpose}`);
  return {
    seal: (purpose, text) => {
      const nonce = randomBytes(nonceBytes);
      const cipher = createCipheriv('aes-256-gcm', ownKey, nonce).setAAD(dataOf(purpose));
      return Buffer.concat([salt, nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
    },
    open: (purpose, sealed) => {
      if (sealed.length < saltBytes + nonceBytes + tagBytes) return undefined;
      const key = derive('seal', sealed.subarray(0, saltBytes));
      const nonce = sealed.subarray(saltBytes, saltBytes + nonceBytes);
      const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes });
      decipher.setAAD(dataOf(purpose)).setAuthTag(sealed.subarray(-tagBytes));
      try {
        const text = decipher.update(sealed.subarray(saltBytes + nonceBytes, -tagBytes));
        return Buffer.concat([text, decipher.final()]).toString('utf8');
      } catch {
        return undefined;
      }
    },
    check: mac('check', prefix),
    entrySecret: derive('entry secret').toString('base64url'),
    digest: (content) => mac('digest', content).slice(0, 22),
  };
}
