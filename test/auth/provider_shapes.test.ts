// Operators whose tokens come from the issuers that people have, all in one file; and somebody who has the same token
// with one thing wrong.

import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { SignJWT, type JWK } from 'jose';
import { describe, expect, it } from 'vitest';
import { parseJwks, type Jwks } from '../../auth/jwk.js';
import { parseProviders } from '../../auth/providers.js';
import { groupByIssuer } from '../../auth/token_rules.js';
import { decideToken } from '../../auth/token_verdict.js';
import { nodePlatform } from '../../node/crypto.js';
import { shapesOfMachines } from './shapes/machines.js';
import { shapesOfPeople } from './shapes/people.js';
import { now, type Shape } from './shapes/shape.js';
import { trustedKeys } from './trusted_keys.js';

const shapes = { ...shapesOfPeople, ...shapesOfMachines };
const names = Object.keys(shapes);
const shapeOf = (name: string) => shapes[name] as Shape;

interface Pair {
  privateKey: KeyObject;
  publicKey: KeyObject;
}

const makePairs = (): { [kind: string]: Pair } => ({
  rsa: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ec: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  ed: generateKeyPairSync('ed25519'),
});
const pairs = makePairs();
const strangers = makePairs();

const keyFor = (alg: string, from: { [kind: string]: Pair }) =>
  (alg.startsWith('E') ? (alg.startsWith('ES') ? from['ec'] : from['ed']) : from['rsa']) as Pair;

function jwksOf({ alg = 'RS256', keys, header }: Shape): Jwks {
  const jwk: JWK = { ...keyFor(alg, pairs).publicKey.export({ format: 'jwk' }), kid: header.kid };
  const set = { keys: typeof keys === 'function' ? keys(jwk) : [{ ...jwk, ...keys }] };
  return parseJwks(JSON.stringify(set), nodePlatform) as Jwks;
}

const file = {
  providers: names.map((name, i) => ({ name: `p${i}`, jwks: { file: `${i}.json` }, ...shapeOf(name).provider })),
};
const parsed = parseProviders(JSON.stringify(file));
const entries = 'providers' in parsed ? parsed.providers : [];
const providers = groupByIssuer(
  entries.map((entry, i) => ({ ...entry, keys: jwksOf(shapeOf(names[i] as string)).keys, lacksJwks: false })),
);

interface Changed {
  claims?: object;
  header?: object;
  alg?: string;
}

function sign(shape: Shape, { claims, header, alg = shape.alg ?? 'RS256' }: Changed, by = pairs): Promise<string> {
  const payload = { iat: now - 60, exp: now + 300, ...shape.claims, ...claims };
  const protectedHeader = { alg, ...shape.header, ...header };
  const isSymmetric = protectedHeader.alg.startsWith('HS');
  return new SignJWT(payload)
    .setProtectedHeader(protectedHeader)
    .sign(isSymmetric ? new Uint8Array(32) : keyFor(alg, by).privateKey);
}

const decide = (token: string) =>
  decideToken({
    token,
    nowSeconds: now,
    settings: { issuers: [], audiences: 'any', leewaySeconds: 30 },
    keys: trustedKeys({ providers }),
    platform: nodePlatform,
  });

it('takes one file with all of them', () => {
  expect(parsed).not.toHaveProperty('faults');
});

describe.each(names)('%s', (name) => {
  const shape = shapeOf(name);

  it('is admitted as its subject, with its scopes', async () => {
    const verdict = await decide(await sign(shape, {}));
    expect(verdict).toMatchObject({ admitted: true, principal: { issuer: shape.claims.iss, ...shape.admitted } });
  });

  it.each(Object.entries(shape.others ?? {}))('admits %s', async (_, { as, ...changed }) => {
    expect(await decide(await sign(shape, changed))).toMatchObject({ admitted: true, principal: as });
  });

  it.each(Object.entries(shape.wrong))('refuses a token %s', async (_, { reason, ...changed }) => {
    expect(await decide(await sign(shape, changed))).toEqual({ admitted: false, reason });
  });

  it('refuses a token that has expired, of nobody, or of a stranger with the same kid', async () => {
    const refused = (token: string) => Promise.resolve(decide(token));
    expect(await refused(await sign(shape, { claims: { exp: now - 30 } }))).toMatchObject({ reason: 'token_expired' });
    const iss = `${shape.claims.iss}.evil.example`;
    expect(await refused(await sign(shape, { claims: { iss } }))).toMatchObject({ reason: 'token_issuer' });
    expect(await refused(await sign(shape, {}, strangers))).toMatchObject({ reason: 'token_signature' });
  });
});

it('takes no key of a set that is for encryption', () => {
  const jwks = jwksOf(shapeOf('Keycloak'));
  expect(jwks.keys.map(({ alg }) => alg)).toEqual(['RS256', 'RS384', 'RS512']);
  expect(jwks.problems).toEqual([{ index: 0, kid: 'kc-1', problem: 'use is not sig' }]);
});
