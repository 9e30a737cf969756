// Every verdict of auth/ beside that of jose, a JWT library of wide use. Where they differ, the table says why.

import { createLocalJWKSet, jwtVerify, type JWTVerifyGetKey } from 'jose';
import { describe, expect, it } from 'vitest';
import { parseJwks, type Jwks } from '../../auth/jwk.js';
import { decideToken } from '../../auth/token_verdict.js';
import { nodePlatform } from '../../node/crypto.js';
import { trustedKeys, unnamed } from '../auth/trusted_keys.js';
import {
  algorithmNames,
  audience,
  generateTokens,
  issuer,
  makeKeyRing,
  mutations,
  type Generated,
} from './token_generator.js';

const count = 12000;
const nowSeconds = 1_800_000_000;

// What we refuse and jose admits, by mutation: our reason, and why it is right.
const stricter: { [mutation: string]: { reason: string; because: string } } = {
  'exp out of range': { reason: 'token_claim_type', because: 'a date beyond 2^53 is no date: the design bounds it' },
  'nbf out of range': { reason: 'token_claim_type', because: 'a negative date is no date' },
  'iat future': { reason: 'token_issued_in_future', because: 'jose looks at iat only when it is given a maximum age' },
  'aud list with another type': { reason: 'token_claim_type', because: 'RFC 7519 section 4.1.3: an array of strings' },
  'sub that headers must not hold': { reason: 'token_subject', because: 'it goes into a header and into logs' },
  'sub of another type': { reason: 'token_claim_type', because: 'RFC 7519 section 4.1.2: a string' },
  cnf: { reason: 'token_confirmation', because: 'RFC 7800: a token bound to a key is no bearer token' },
  'jti of another type': { reason: 'token_claim_type', because: 'RFC 7519 section 4.1.7: a string' },
  'payload too deep': { reason: 'token_nested_too_deep', because: 'bounded alike on every engine' },
  'payload too large': { reason: 'token_too_long', because: 'credentials end at 12 KB' },
  'typ of another use': { reason: 'token_typ', because: 'RFC 8725 section 3.11: explicit types tell tokens apart' },
  'b64 or zip': { reason: 'token_header_invalid', because: 'RFC 7797 and zip are not for JWTs that we accept' },
  'padding added': {
    reason: 'token_bad_base64url',
    because: 'RFC 7515 section 2: no padding; one token, one spelling',
  },
  'white space within': { reason: 'token_bad_base64url', because: 'RFC 7515 section 2: no white space' },
  'stray trailing bits': { reason: 'token_bad_base64url', because: 'one token, one spelling' },
  'signature of another length': {
    reason: 'token_signature_length',
    because: 'RFC 8017 section 8.2.2: exactly the length of the modulus; a stripped leading zero is none',
  },
};

// Only one signature in 256 begins with the zero byte that jose lets go.
const seldom = ['signature of another length'];

const ring = makeKeyRing();
const jwksText = JSON.stringify({ keys: ring.trusted.map((pair) => pair.jwk) });
const keys = trustedKeys({ unnamed: unnamed(...(parseJwks(jwksText, nodePlatform) as Jwks).keys) });
const settings = { issuers: [issuer], audiences: [audience], leewaySeconds: 30 };

async function ours(token: string): Promise<string> {
  const verdict = await decideToken({ token, nowSeconds, settings, keys, platform: nodePlatform });
  return verdict.admitted ? 'admitted' : verdict.reason;
}

async function joses(token: string, keySet: JWTVerifyGetKey): Promise<string> {
  const options = {
    algorithms: algorithmNames,
    issuer,
    audience,
    clockTolerance: 30,
    currentDate: new Date(nowSeconds * 1000),
    requiredClaims: ['exp'],
  };
  return jwtVerify(token, keySet, options).then(
    () => 'admitted',
    (error: Error) => error.message,
  );
}

describe(`${count} tokens`, () => {
  const judged: { one: Generated; ours: string; jose: string }[] = [];

  it('get the verdict of jose, or a stricter one for a reason that is listed', async () => {
    const keySet = createLocalJWKSet(JSON.parse(jwksText) as Parameters<typeof createLocalJWKSet>[0]);
    for (const one of generateTokens(ring, { seed: 20261124, count, nowSeconds })) {
      judged.push({ one, ours: await ours(one.token), jose: await joses(one.token, keySet) });
    }
    const unexplained = judged.filter(({ one, ours, jose }) => {
      if ((ours === 'admitted') === (jose === 'admitted')) return false;
      return ours === 'admitted' || stricter[one.mutation]?.reason !== ours;
    });
    expect(unexplained.slice(0, 10)).toEqual([]);
    expect(judged).toHaveLength(count);
  }, 180000);

  it('are admitted exactly where they are valid', () => {
    const wrong = judged.filter(
      ({ one, ours }) => (ours === 'admitted') !== one.mutation.startsWith('valid') && one.mutation !== 'valid: no kid',
    );
    expect(wrong.slice(0, 10)).toEqual([]);
    for (const alg of algorithmNames) {
      for (const verdict of [true, false]) {
        const some = judged.filter(({ one, ours }) => one.alg === alg && (ours === 'admitted') === verdict);
        expect(some.length, alg).toBeGreaterThan(count / 100);
      }
    }
  });

  it('differ from jose in every way that is listed, and in no way that is not tried', () => {
    const differing = new Set(
      judged.filter(({ ours, jose }) => ours !== 'admitted' && jose === 'admitted').map(({ one }) => one.mutation),
    );
    const always = (name: string) => !seldom.includes(name);
    expect([...differing].filter(always).sort()).toEqual(Object.keys(stricter).filter(always).sort());
    expect(Object.keys(stricter).every((name) => name in mutations)).toBe(true);
  });
});
