// POST /signature: whether a signature holds that nginx's engine can't check itself (EdDSA, RFC 8037).

import { isAlgorithm } from '../auth/algorithms.js';
import { isJsonObject } from '../auth/json.js';
import { fitsAlgorithm, parseJwks } from '../auth/jwk.js';
import { hasSignatureForm } from '../auth/jwt.js';
import { nodePlatform } from '../node/crypto.js';

/** Answers `{ valid }`; a question that makes no sense is not valid. */
export async function checkSignature(question: unknown): Promise<{ valid: boolean }> {
  if (!isJsonObject(question)) return { valid: false };
  const { algorithm, jwk, signedText, signature } = question;
  if (!isAlgorithm(algorithm) || typeof signedText !== 'string' || typeof signature !== 'string')
    return { valid: false };
  const jwks = parseJwks(JSON.stringify({ keys: [jwk] }), nodePlatform);
  const key = 'fault' in jwks ? undefined : jwks.keys[0];
  const bytes = nodePlatform.decodeBase64url(signature);
  if (key === undefined || bytes === undefined || !fitsAlgorithm(key, algorithm)) return { valid: false };
  if (!hasSignatureForm(algorithm, key, bytes)) return { valid: false };
  const result = await nodePlatform.verifySignature({ algorithm, jwk: key, signedText, signature: bytes });
  return { valid: result === 'valid' };
}
