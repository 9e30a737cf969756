// auth/'s platform inside nginx: hashes, encodings and WebCrypto of njs.

import nodeCrypto from 'crypto'; // named `crypto` it would hide WebCrypto
import type { Jwk } from '../auth/jwk.js';
import type { Platform, SignatureCheck, SignatureResult } from '../auth/platform.js';
import { algorithms } from '../auth/algorithms.js';

/** @returns the bytes of strict base64url, else undefined: njs itself stops silently at a bad character */
export function decodeBase64url(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : undefined;
}

/** @returns the text, or undefined when the bytes are not UTF-8 */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes as unknown as ArrayBuffer); // njs-types knows only that
  } catch (_) {
    return undefined;
  }
}

/** @returns SHA-256 as base64url */
export function sha256(text: string): string {
  return nodeCrypto.createHash('sha256').update(text).digest('base64url');
}

/** @returns HMAC-SHA-256 as base64url */
export function hmacSha256(secret: string, text: string): string {
  return nodeCrypto.createHmac('sha256', secret).update(text).digest('base64url');
}

/** How the sidecar is asked about a signature that no engine here can check (EdDSA). */
export type AskSignature = (check: SignatureCheck) => Promise<SignatureResult>;

// Imported keys, per context and generation: QuickJS contexts live on, the old engine starts anew each time.
const imported: { generation: string; keys: { [id: string]: CryptoKey } } = {
  generation: '',
  keys: Object.create(null) as { [id: string]: CryptoKey },
};

/**
 * Builds the platform for one decision.
 * @param generation of the trusted keys; imported keys of another one are dropped
 * @param askSignature verifies what WebCrypto here can't
 */
export function nginxPlatform(generation: string, askSignature: AskSignature): Platform {
  return {
    decodeBase64url,
    decodeUtf8,
    sha256,
    hmacSha256,
    verifySignature: (check) => verifySignature(check, generation, askSignature),
  };
}

async function verifySignature(
  check: SignatureCheck,
  generation: string,
  askSignature: AskSignature,
): Promise<SignatureResult> {
  const algorithm = algorithms[check.algorithm];
  if (algorithm.kty === 'OKP' && !(await hasEd25519())) return askSignature(check);
  try {
    const key = await importOnce(check, generation);
    const valid = await crypto.subtle.verify(
      algorithm.verify as SignOrVerifyAlgorithm,
      key,
      Buffer.from(check.signature),
      Buffer.from(check.signedText),
    );
    if (valid === true) return 'valid';
  } catch (_) {
    // njs throws for what WebCrypto calls false; its text may hold anything
  }
  await clearOpensslErrors();
  return 'invalid';
}

const noKey = new Uint8Array([0]);

// A failed verification leaves its errors with OpenSSL, and nginx would log an alert about them when it next reads
// from a TLS connection. An import that fails takes all of them away.
async function clearOpensslErrors(): Promise<void> {
  try {
    await crypto.subtle.importKey('spki', noKey as unknown as ArrayBuffer, algorithms.ES256.import as ImportAlgorithm, false, ['verify']); // prettier-ignore
  } catch (_) {
    // as it must
  }
}

const engine: { hasEd25519?: boolean } = {};
const anyEd25519Key = { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' }; // RFC 8037 appendix A.2

// Debian's builds lack it, others may not.
async function hasEd25519(): Promise<boolean> {
  if (engine.hasEd25519 === undefined) {
    try {
      await crypto.subtle.importKey('jwk', anyEd25519Key as JWK, algorithms.EdDSA.import as ImportAlgorithm, true, ['verify']); // prettier-ignore
      engine.hasEd25519 = true;
    } catch (_) {
      engine.hasEd25519 = false;
    }
  }
  return engine.hasEd25519;
}

async function importOnce(check: SignatureCheck, generation: string): Promise<CryptoKey> {
  if (imported.generation !== generation) {
    imported.generation = generation;
    imported.keys = Object.create(null) as { [id: string]: CryptoKey };
  }
  const keys = imported.keys;
  const { n, e, x, y } = check.jwk;
  const id = [check.algorithm, n, e, x, y].join(' ');
  const known = keys[id];
  if (known !== undefined) return known;
  const algorithm = algorithms[check.algorithm].import as ImportAlgorithm;
  const key = await crypto.subtle.importKey('jwk', publicMembers(check.jwk), algorithm, true, ['verify']);
  keys[id] = key; // a settled value: a promise kept here could outlive its request (rule 3)
  return key;
}

// A key built anew from the members that its type has (rule 5).
function publicMembers(jwk: Jwk): JWK {
  if (jwk.kty === 'RSA') return { kty: 'RSA', n: jwk.n, e: jwk.e } as JWK;
  if (jwk.kty === 'OKP') return { kty: 'OKP', crv: jwk.crv, x: jwk.x } as unknown as JWK;
  return { kty: 'EC', crv: jwk.crv, x: jwk.x, y: jwk.y } as JWK;
}
