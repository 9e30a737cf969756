// An admin who compares what an issuer offers with an entry; and an issuer that fills the terminal.

import { beforeAll, describe, expect, it } from 'vitest';
import { exportJWK, generateKeyPair } from 'jose';
import { parseJwks, type Jwks } from '../../../auth/jwk.js';
import { parseJsonObject, type UnverifiedObject } from '../../../auth/json.js';
import { parseProviders } from '../../../auth/providers.js';
import type { ProviderEntry } from '../../../auth/provider_members.js';
import { compareOffered } from '../../../cli/providers/offered.js';
import { nodePlatform } from '../../../node/crypto.js';
import { makeSigner } from '../../gateway/harness/tokens.js';

const entryWith = (algorithms?: string[]): ProviderEntry => {
  const entry = { name: 'corp', issuer: 'i', audience: 'any', jwks: { file: 'f' }, algorithms };
  const parsed = parseProviders(JSON.stringify({ providers: [entry] }));
  if ('faults' in parsed) throw new Error(parsed.faults.join());
  return parsed.providers[0] as ProviderEntry;
};
const metadataWith = (named: unknown): UnverifiedObject => {
  const parsed = parseJsonObject(JSON.stringify({ id_token_signing_alg_values_supported: named }));
  return (parsed as { object: UnverifiedObject }).object;
};
const compare = (algorithms: string[] | undefined, keys: object[] | undefined, unverifiedMetadata?: UnverifiedObject) =>
  compareOffered(entryWith(algorithms), {
    from: [],
    jwks: keys === undefined ? undefined : (parseJwks(JSON.stringify({ keys }), nodePlatform) as Jwks),
    fault: undefined,
    unverifiedMetadata,
  });
const nothing = {
  used: [],
  refusedKeys: [],
  refusedAlgorithms: [],
  leftOutAlgorithms: [],
  unservedAlgorithms: [],
  exposedKeys: [],
};

/** JWKs by their algorithm, with it as kid. */
const jwks: { [alg: string]: object } = {};

beforeAll(async () => {
  for (const alg of ['RS256', 'ES256', 'ES384', 'ES512', 'EdDSA']) jwks[alg] = (await makeSigner(alg, alg)).publicJwk;
});

describe('compareOffered, for keys', () => {
  it('has nothing to say of an issuer that offers nothing', () => {
    expect(compare(undefined, undefined)).toEqual(nothing);
    expect(compare(undefined, [])).toEqual(nothing);
  });

  it('describes keys by type and size, and by the only algorithm that each is for', async () => {
    const { publicKey } = await generateKeyPair('RS256', { modulusLength: 3072, extractable: true });
    const keys = [...Object.values(jwks), { ...(await exportJWK(publicKey)) }];
    expect(compare(undefined, keys).used).toEqual([
      { kid: 'RS256', type: 'RSA 2048', alg: 'RS256' },
      { kid: 'ES256', type: 'EC P-256', alg: 'ES256' },
      { kid: 'ES384', type: 'EC P-384', alg: 'ES384' },
      { kid: 'ES512', type: 'EC P-521', alg: 'ES512' },
      { kid: 'EdDSA', type: 'OKP Ed25519', alg: 'EdDSA' },
      { kid: null, type: 'RSA 3072', alg: null },
    ]);
  });

  it('says which keys are refused, and which the whole world can read', () => {
    const offered = compare(undefined, [
      { kty: 'oct', k: 'AAAA', kid: 'shared' },
      { ...jwks['ES256'], d: 'x' },
    ]);
    expect(offered.refusedKeys).toEqual([{ index: 0, kid: 'shared', problem: expect.any(String) as string }]);
    expect(offered.exposedKeys).toMatchObject([{ index: 1, kid: 'ES256' }]);
    expect(JSON.stringify(offered)).not.toContain('AAAA');
  });

  it('keeps a kid on one short line of a terminal', () => {
    const kid = `\u001b[2J\n${'é'.repeat(10)}${'k'.repeat(100)}`;
    const { used } = compare(undefined, [{ ...jwks['ES256'], kid }]);
    expect(used).toEqual([{ kid: `?[2J?${'k'.repeat(59)}`, type: 'EC P-256', alg: 'ES256' }]);
  });
});

describe('compareOffered, for algorithms', () => {
  it('says which are never accepted, and which the entry leaves out', () => {
    const named = metadataWith(['RS256', 'none', 'HS256', 'ES256', 'PS512', 'rs256', 'RS256']);
    const { refusedAlgorithms, leftOutAlgorithms } = compare(['ES256', 'RS384'], [], named);
    expect(refusedAlgorithms).toEqual(['none', 'HS256', 'rs256']);
    expect(leftOutAlgorithms).toEqual(['RS256', 'PS512']);
  });

  it('leaves none out where the entry accepts all', () => {
    expect(compare(undefined, [], metadataWith(['RS256', 'EdDSA', 'Ed25519'])).leftOutAlgorithms).toEqual([]);
    expect(compare(['EdDSA'], [], metadataWith(['Ed25519', 'EdDSA'])).leftOutAlgorithms).toEqual([]);
  });

  it('says which of the entry no key fits', () => {
    const accepted = ['RS256', 'PS256', 'ES256', 'ES384', 'Ed25519'];
    const unserved = (...keys: object[]) => compare(accepted, keys).unservedAlgorithms;
    const { RS256 = {}, ES256 = {}, EdDSA = {} } = jwks;
    expect(unserved()).toEqual(['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA', 'Ed25519']);
    expect(unserved(RS256, ES256)).toEqual(['PS256', 'ES384', 'EdDSA', 'Ed25519']);
    expect(unserved({ ...RS256, alg: undefined }, EdDSA)).toEqual(['ES256', 'ES384']);
    expect(compare(undefined, []).unservedAlgorithms).toEqual([]);
  });

  it('says of none that no key fits while there are no keys to look at', () => {
    expect(compare(['RS256'], undefined).unservedAlgorithms).toEqual([]);
  });

  it.each([[undefined], [null], ['RS512'], [{ 0: 'RS512' }], [7], [[]], [[['RS512'], { a: 'RS512' }, 7, null]]])(
    'takes %j for no list of algorithms',
    (named) => {
      expect(compare(['RS256'], undefined, metadataWith(named))).toEqual(nothing);
    },
  );

  it('takes no other member for the list', () => {
    const { object } = parseJsonObject('{"token_endpoint_auth_signing_alg_values_supported":["HS256"]}') as {
      object: UnverifiedObject;
    };
    expect(compare(['RS256'], undefined, object)).toEqual(nothing);
  });

  it('keeps names short, few, and on one line', () => {
    const hostile = [`\u001b[2J${'x'.repeat(100)}`, 'a\nb', '__proto__', 'constructor', 'RS256\0'];
    const many = Array.from({ length: 1000 }, (_, i) => `alg-${i}`);
    const { refusedAlgorithms } = compare(undefined, undefined, metadataWith([...hostile, ...many]));
    expect(refusedAlgorithms.slice(0, 6)).toEqual([
      `?[2J${'x'.repeat(28)}`,
      'a?b',
      '__proto__',
      'constructor',
      'RS256?',
      'alg-0',
    ]);
    expect(refusedAlgorithms).toHaveLength(32);
  });
});
