// The examples of the RFCs. Those whose payload is no JSON object are checked as far as their signature.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parseJwks, type Jwks } from '../../auth/jwk.js';
import type { Jwk, SignatureAlgorithm } from '../../auth/algorithms.js';
import { parseToken, hasSignatureForm } from '../../auth/jwt.js';
import { decideToken } from '../../auth/token_verdict.js';
import { nodePlatform } from '../../node/crypto.js';
import { trustedKeys, unnamed } from '../auth/trusted_keys.js';

interface Vector {
  name: string;
  token: string;
  jwk?: object;
  refused?: string;
}

const vectors = ['rfc7515', 'rfc7520', 'rfc8037'].flatMap((name) => {
  const text = readFileSync(join(import.meta.dirname, '../vectors', `${name}.json`), 'utf8');
  return JSON.parse(text) as Vector[];
});

const keyOf = (vector: Vector): Jwk =>
  (parseJwks(JSON.stringify({ keys: [vector.jwk] }), nodePlatform) as Jwks).keys[0] as Jwk;

async function verify(vector: Vector, change: (signature: Buffer) => void): Promise<string> {
  const [header, payload, last] = vector.token.split('.') as [string, string, string];
  const { alg } = JSON.parse(Buffer.from(header, 'base64url').toString()) as { alg: SignatureAlgorithm };
  const signature = Buffer.from(last, 'base64url');
  change(signature);
  const jwk = keyOf(vector);
  if (!hasSignatureForm(alg, jwk, signature)) return 'malformed';
  return nodePlatform.verifySignature({ algorithm: alg, jwk, signedText: `${header}.${payload}`, signature });
}

it.each(vectors.filter((vector) => vector.refused === undefined))('$name holds', async (vector) => {
  expect(await verify(vector, () => undefined)).toBe('valid');
  const flip = (at: number) => (signature: Buffer) => {
    signature[at] = (signature[at] as number) ^ 1;
  };
  for (const at of [0, 30, 63]) expect(await verify(vector, flip(at))).not.toBe('valid');
});

it.each(vectors.filter((vector) => vector.refused !== undefined))('$name is refused', (vector) => {
  expect(parseToken(vector.token, nodePlatform)).toEqual({ reason: vector.refused });
});

it.each(vectors.filter((vector) => /A\.[23]/.test(vector.name)))('$name is judged whole', async (vector) => {
  const judge = (nowSeconds: number) =>
    decideToken({
      token: vector.token,
      nowSeconds,
      settings: { issuers: ['joe'], audiences: 'any', leewaySeconds: 30 },
      keys: trustedKeys({ unnamed: unnamed(keyOf(vector)) }),
      platform: nodePlatform,
    });
  expect(await judge(1300819380)).toMatchObject({ admitted: true, principal: { issuer: 'joe' } });
  expect(await judge(1300819410)).toMatchObject({ admitted: false, reason: 'token_expired' });
});
