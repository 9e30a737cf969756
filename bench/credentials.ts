// Credentials to send: tokens signed in advance, keys with their lines, and tokens that nobody signed.

import { createHash, generateKeyPair, randomBytes, sign, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';

export interface Signer {
  alg: 'RS256' | 'ES256';
  jwk: object;
  privateKey: KeyObject;
}

const generate = promisify(generateKeyPair);

/** Makes a key pair for a signature algorithm. */
export async function makeSigner(alg: 'RS256' | 'ES256'): Promise<Signer> {
  const made =
    alg === 'RS256' ? await generate('rsa', { modulusLength: 2048 }) : await generate('ec', { namedCurve: 'P-256' });
  const jwk = { ...made.publicKey.export({ format: 'jwk' }), kid: alg, alg };
  return { alg, jwk, privateKey: made.privateKey };
}

/** Signs `count` different tokens. */
export async function signTokens(signer: Signer, count: number): Promise<string[]> {
  const tokens: string[] = [];
  const header = encode({ alg: signer.alg, kid: signer.alg, typ: 'JWT' });
  const exp = Math.floor(Date.now() / 1000) + 7200;
  for (let done = 0; done < count; done += 500) {
    const some = Array.from({ length: Math.min(500, count - done) }, (_, i) => {
      const claims = {
        sub: `user-${done + i}`,
        iss: 'https://issuer.example',
        aud: 'bench',
        exp,
        scope: 'models chat',
      };
      return signOne(signer, `${header}.${encode(claims)}`);
    });
    tokens.push(...(await Promise.all(some)));
  }
  return tokens;
}

function signOne({ privateKey }: Signer, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' }, (error, signature) =>
      error === null ? resolve(`${text}.${signature.toString('base64url')}`) : reject(error),
    );
  });
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/** The same tokens with signatures that nobody made. */
export function withoutSignature(tokens: string[]): string[] {
  return tokens.map((token) => {
    const signed = token.slice(0, token.lastIndexOf('.'));
    const random = randomBytes(256);
    random[0] = 1; // below any modulus
    return `${signed}.${random.toString('base64url')}`;
  });
}

/** Makes random keys and the lines that admit them. */
export function makeKeys(count: number): { keys: string[]; lines: string } {
  const keys = Array.from({ length: count }, () => randomBytes(24).toString('hex'));
  const lines = keys.map((key, i) => `u${i}:$sha256$${createHash('sha256').update(key).digest('base64url')}\n`);
  return { keys, lines: lines.join('') };
}
