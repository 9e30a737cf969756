// auth/'s platform inside nginx: hashes, encodings and WebCrypto of njs.

import nodeCrypto from 'crypto'; // named `crypto` it would hide WebCrypto
import { publicMembers, type Jwk, algorithms } from '../auth/algorithms.js';
import type { Platform, SignatureCheck, SignatureResult } from '../auth/platform.js';
import { askSignature } from './sidecar.js';

/** @returns SHA-256 as base64url */
export function sha256(content: string | Uint8Array): string {
  return nodeCrypto
    .createHash('sha256')
    .update(content as Buffer)
    .digest('base64url');
}

/** @returns HMAC-SHA-256 as base64url */
export function hmacSha256(secret: string, text: string): string {
  return nodeCrypto.createHmac('sha256', secret).update(text).digest('base64url');
}

/** @returns so many random bytes as base64url */
export function randomText(bytes: number): string {
  const random = new Uint8Array(bytes);
  crypto.getRandomValues(random);
  return Buffer.from(random).toString('base64url');
}

/** @returns the bytes of strict base64url, else undefined: njs itself stops silently at a bad character */
export function decodeBase64url(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : undefined;
}

const utf8: { decoder: TextDecoder | undefined } = { decoder: undefined };

/** @returns the text, or undefined when the bytes are not UTF-8 */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    utf8.decoder = utf8.decoder || new TextDecoder('utf-8', { fatal: true });
    const text = utf8.decoder.decode(bytes as unknown as ArrayBuffer); // njs-types allows no other type
    const hasMark = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
    return hasMark && text.charCodeAt(0) !== 0xfeff ? '\ufeff' + text : text; // njs leaves the byte order mark out
  } catch (_) {
    return undefined;
  }
}

/** The platform of one decision. */
export class NginxPlatform implements Platform {
  /**
   * @param r whose subrequest asks the sidecar for what WebCrypto here can't verify; absent where nothing is verified
   */
  constructor(private readonly r: NginxHTTPRequest | undefined) {}

  decodeBase64url(text: string): Uint8Array | undefined {
    return decodeBase64url(text);
  }

  encodeBase64url(bytes: Uint8Array): string {
    return Buffer.from(bytes).toString('base64url');
  }

  decodeUtf8(bytes: Uint8Array): string | undefined {
    return decodeUtf8(bytes);
  }

  sha256(content: string | Uint8Array): string {
    return sha256(content);
  }

  hmacSha256(secret: string, text: string): string {
    return hmacSha256(secret, text);
  }

  verifySignature(check: SignatureCheck): Promise<SignatureResult> {
    const key = imported(check);
    return key === undefined ? importThenVerify(check, this.r) : verifyWith(key, check);
  }
}

async function importThenVerify(check: SignatureCheck, r: NginxHTTPRequest | undefined): Promise<SignatureResult> {
  if (algorithms[check.algorithm].kty === 'OKP' && !(await hasEd25519()))
    return r === undefined ? 'unavailable' : askSignature(r, check);
  try {
    const key = await importKey(check);
    return verifyWith(key, check);
  } catch (_) {
    return 'invalid'; // for example, a point off the curve
  }
}

async function verifyWith(key: CryptoKey, check: SignatureCheck): Promise<SignatureResult> {
  try {
    const valid = await crypto.subtle.verify(
      algorithms[check.algorithm].verify as SignOrVerifyAlgorithm,
      key,
      check.signature as unknown as ArrayBuffer, // njs-types allows no other type
      Buffer.from(check.signedText),
    );
    if (valid === true) return 'valid';
  } catch (_) {
    // njs throws for what WebCrypto calls false; its text may hold anything
  }
  await clearOpensslErrors();
  return 'invalid';
}

/** For code that only parses and verifies nothing. */
export function parsingPlatform(): Platform {
  return new NginxPlatform(undefined);
}

const noKey = new Uint8Array([0]);

// A failed verification leaves its errors with OpenSSL, and nginx would log an alert about them when it next reads
// from a TLS connection. An import that fails clears all errors.
async function clearOpensslErrors(): Promise<void> {
  try {
    await crypto.subtle.importKey(
      'spki',
      noKey as unknown as ArrayBuffer,
      algorithms.ES256.import as ImportAlgorithm,
      false,
      ['verify'],
    );
  } catch (_) {
    // the import fails, as intended
  }
}

const engine: { hasEd25519?: boolean } = {};
// RFC 8037 appendix A.2
const anyEd25519Key = { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' };

// Debian's builds lack Ed25519; other builds may have it.
async function hasEd25519(): Promise<boolean> {
  if (engine.hasEd25519 === undefined) {
    try {
      await crypto.subtle.importKey('jwk', anyEd25519Key as JWK, algorithms.EdDSA.import as ImportAlgorithm, true, [
        'verify',
      ]);
      engine.hasEd25519 = true;
    } catch (_) {
      engine.hasEd25519 = false;
    }
  }
  return engine.hasEd25519;
}

interface ImportedKey {
  jwk: Jwk;
  algorithm: string;
  key: CryptoKey;
}

// Imported keys of this context, found by the very object: the sets of a generation are parsed once (trusted_keys.ts).
const importedKeys: { keys: ImportedKey[] } = { keys: [] };

/** Drops the imported keys: other sets count from now on. */
export function forgetImportedKeys(): void {
  importedKeys.keys = [];
}

function imported({ jwk, algorithm }: SignatureCheck): CryptoKey | undefined {
  const { keys } = importedKeys;
  for (let i = 0; i < keys.length; i++) {
    const one = keys[i] as ImportedKey;
    if (one.jwk === jwk && one.algorithm === algorithm) return one.key;
  }
  return undefined;
}

async function importKey({ jwk, algorithm }: SignatureCheck): Promise<CryptoKey> {
  const parameters = algorithms[algorithm].import as ImportAlgorithm;
  const key = await crypto.subtle.importKey('jwk', publicMembers(jwk) as JWK, parameters, true, ['verify']);
  // The key is kept, not its promise, which could outlive the request (rule 3).
  importedKeys.keys.push({ jwk, algorithm, key });
  return key;
}

/** @returns a text, or that of an exception, on one line; the old engine may throw undefined */
export function oneLine(e: unknown): string {
  const text = String((e && (e as Error).message) || e);
  return text.replace(/[^\x20-\x7e]+/g, ' ').slice(0, 500);
}

/** Logs outside of any request. */
export function log(level: number, text: string): void {
  ngx.log(level, 'keygate: ' + text.replace(/[^\x20-\x7e]/g, '?'));
}
