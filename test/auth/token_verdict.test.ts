// A client with a token of ours or of another issuer, and an attacker who mixes keys and issuers.

import { beforeAll, describe, expect, it } from 'vitest';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK, type JWTPayload } from 'jose';
import { parseJwks, type Jwks } from '../../auth/jwk.js';
import type { Jwk } from '../../auth/algorithms.js';
import type { KeyTerms } from '../../auth/key_record.js';
import { groupByIssuer, type JwtSettings, type Provider } from '../../auth/token_rules.js';
import { decideToken, type TrustedKeys } from '../../auth/token_verdict.js';
import type { Platform } from '../../auth/platform.js';
import { nodePlatform } from '../../node/crypto.js';
import { trustedKeys, unnamed } from './trusted_keys.js';

const now = 1_800_000_000;

const entries: { [fingerprint: string]: KeyTerms } = {
  live: { expiresSeconds: null, keyId: 'live', limit: { intervalMs: 1000, burst: 3 } },
  ending: { expiresSeconds: now + 7, keyId: 'ending', limit: null },
  ended: { expiresSeconds: now, keyId: 'ended', limit: null },
};

interface Pair {
  kid: string;
  privateKey: CryptoKey;
  jwk: Jwk;
}

const clean = (jwk: JWK): Jwk => (parseJwks(JSON.stringify({ keys: [jwk] }), nodePlatform) as Jwks).keys[0] as Jwk;

async function pair(kid: string, alg = 'ES256'): Promise<Pair> {
  const { privateKey, publicKey } = await generateKeyPair(alg);
  return { kid, privateKey, jwk: clean({ ...(await exportJWK(publicKey)), kid }) };
}

const sign = (by: Pair, claims: JWTPayload, header: object = {}) =>
  new SignJWT({ sub: 's', exp: now + 60, ...claims })
    .setProtectedHeader({ alg: 'ES256', kid: by.kid, ...header })
    .sign(by.privateKey);

describe('decideToken', () => {
  let ours: Pair, local: Pair, remote: Pair, stranger: Pair;

  beforeAll(async () => {
    [ours, local, remote, stranger] = (await Promise.all(
      ['ours', 'local', 'remote', 'local'].map((kid) => pair(kid)),
    )) as [Pair, Pair, Pair, Pair];
  });

  const trusted = (changed: Partial<TrustedKeys> = {}) =>
    trustedKeys({
      minting: { issuer: 'keygate', keys: [ours.jwk] },
      unnamed: unnamed(local.jwk, remote.jwk),
      findEntry: (fingerprint) => entries[fingerprint],
      ...changed,
    });

  const decide = (token: string, keys = trusted(), platform: Platform = nodePlatform) =>
    decideToken({
      token,
      nowSeconds: now,
      settings: { issuers: ['https://i'], audiences: 'any', leewaySeconds: 30 },
      keys,
      platform,
    });

  it('admits tokens of both configured sources and of ours, each bound to its issuer', async () => {
    for (const by of [local, remote]) {
      expect(await decide(await sign(by, { iss: 'https://i' }))).toMatchObject({
        admitted: true,
        principal: { keyId: by.kid },
      });
    }
    const minted = await decide(await sign(ours, { iss: 'keygate', key: 'live' }));
    expect(minted).toMatchObject({
      admitted: true,
      principal: { keyId: 'live', issuer: 'keygate', expiresSeconds: now + 90 },
    });
    const ending = await decide(await sign(ours, { iss: 'keygate', key: 'ending' }));
    expect(ending).toMatchObject({ admitted: true, principal: { expiresSeconds: now + 7 } });
  });

  it.each([
    ['a remote key for our issuer', 'token_no_fitting_key', () => sign(remote, { iss: 'keygate', key: 'live' })],
    ['our key for a configured issuer', 'token_unknown_kid', () => sign(ours, { iss: 'https://i' })],
    [
      'a remote key that names our kid',
      'token_signature',
      () => sign(remote, { iss: 'keygate', key: 'live' }, { kid: 'ours' }),
    ],
    ['an issuer that is not configured', 'token_issuer', () => sign(local, { iss: 'https://j' })],
    ['no issuer', 'token_issuer', () => sign(local, {})],
    ['a stranger with a known kid', 'token_signature', () => sign(stranger, { iss: 'https://i' })],
    ['an unknown kid', 'token_unknown_kid', () => sign(local, { iss: 'https://i' }, { kid: 'other' })],
    ['a kid named constructor', 'token_unknown_kid', () => sign(local, { iss: 'https://i' }, { kid: 'constructor' })],
    [
      'no kid where several keys fit',
      'token_ambiguous_key',
      () => sign(local, { iss: 'https://i' }, { kid: undefined }),
    ],
    ['an expired one', 'token_expired', () => sign(local, { iss: 'https://i', exp: now - 30 })],
  ])('refuses %s with %s', async (_, reason, make) => {
    expect(await decide(await make())).toEqual({ admitted: false, reason });
  });

  it.each([
    ['a minted token without key', '', () => sign(ours, { iss: 'keygate' })],
    ['a minted token whose entry is gone', '', () => sign(ours, { iss: 'keygate', key: 'dead' })],
    ['a minted token whose entry has just expired', 'ended', () => sign(ours, { iss: 'keygate', key: 'ended' })],
    ['a minted token that is denied', 'live', () => sign(ours, { iss: 'keygate', key: 'live', jti: 'j' })],
    ['a denied token whose entry is gone', '', () => sign(ours, { iss: 'keygate', key: 'dead', jti: 'j' })],
    ['a denied token of another issuer', 'local', () => sign(local, { iss: 'https://i', jti: 'j' })],
  ])('refuses %s, and names whose it is', async (_, keyId, make) => {
    const verdict = await decide(await make(), trusted({ isDeniedJti: (jti) => jti === 'j' }));
    expect(verdict).toMatchObject({
      admitted: false,
      reason: 'token_revoked',
      principal: { method: 'jwt', subject: 's', keyId },
    });
  });

  it('accepts no kid only where exactly one key fits', async () => {
    const token = await sign(local, { iss: 'https://i' }, { kid: undefined });
    expect(await decide(token, trusted({ unnamed: unnamed(local.jwk) }))).toMatchObject({ admitted: true });
    expect(await decide(token, trusted({ unnamed: unnamed() }))).toEqual({
      admitted: false,
      reason: 'token_no_fitting_key',
    });
  });

  it('tries both keys where local and remote share a kid', async () => {
    const twin = await pair('local');
    const keys = trusted({ unnamed: unnamed(local.jwk, twin.jwk) });
    expect(await decide(await sign(twin, { iss: 'https://i' }), keys)).toMatchObject({ admitted: true });
    expect(await decide(await sign(local, { iss: 'https://i' }), keys)).toMatchObject({ admitted: true });
  });

  it('refuses denied kids and jtis', async () => {
    const token = await sign(local, { iss: 'https://i', jti: 'j' });
    expect(await decide(token, trusted({ isDeniedKid: (kid) => kid === 'local' }))).toEqual({
      admitted: false,
      reason: 'token_kid_denied',
    });
    expect(await decide(token, trusted({ isDeniedJti: (jti) => jti === 'j' }))).toMatchObject({
      admitted: false,
      reason: 'token_revoked',
    });
    const withoutKid = await sign(local, { iss: 'https://i' }, { kid: undefined });
    const denied = trusted({ unnamed: unnamed(local.jwk), isDeniedKid: (kid) => kid === 'local' });
    expect(await decide(withoutKid, denied)).toEqual({ admitted: false, reason: 'token_kid_denied' });
  });

  it('says verifier_unavailable when nothing can check the algorithm now', async () => {
    const platform: Platform = { ...nodePlatform, verifySignature: () => Promise.resolve('unavailable') };
    const token = await sign(local, { iss: 'https://i' });
    expect(await decide(token, trusted(), platform)).toEqual({
      admitted: false,
      reason: 'verifier_unavailable',
    });
  });

  it('refuses our issuer while no minting keys are known', async () => {
    const token = await sign(ours, { iss: 'keygate', key: 'live' });
    expect(await decide(token, trusted({ minting: undefined }))).toEqual({
      admitted: false,
      reason: 'token_issuer',
    });
  });

  describe('with named providers', () => {
    const named = (name: string, issuers: string[], keys: Jwk[], changed: Partial<Provider> = {}): Provider => ({
      name,
      issuers,
      audiences: 'any',
      leewaySeconds: 0,
      keys,
      lacksJwks: false,
      ...changed,
    });
    const withProviders = (changed: Partial<Provider> = {}) =>
      trusted({
        providers: groupByIssuer([
          named('one', ['https://one', 'https://one/'], [local.jwk], changed),
          named('two', ['https://two'], [remote.jwk]),
        ]),
      });
    const judge = (token: string, changed: Partial<JwtSettings> = {}, keys = withProviders()) =>
      decideToken({
        token,
        nowSeconds: now,
        settings: { issuers: ['https://i'], audiences: ['llm'], leewaySeconds: 30, ...changed },
        keys,
        platform: nodePlatform,
      });
    const refused = (reason: string, more: object = {}) => ({ admitted: false, reason, ...more });

    it('admits each by its own keys and rules, the unnamed and ours beside them', async () => {
      for (const iss of ['https://one', 'https://one/'])
        expect(await judge(await sign(local, { iss }))).toMatchObject({ admitted: true, principal: { issuer: iss } });
      expect(await judge(await sign(remote, { iss: 'https://two' }))).toMatchObject({
        admitted: true,
        principal: { expiresSeconds: now + 60 },
      });
      const unnamedToken = await sign(local, { iss: 'https://i', aud: 'llm' });
      expect(await judge(unnamedToken)).toMatchObject({ admitted: true, principal: { expiresSeconds: now + 90 } });
      const minted = await sign(ours, { iss: 'keygate', aud: 'llm', key: 'live' });
      expect(await judge(minted)).toMatchObject({ admitted: true });
    });

    it.each([
      ["another provider's key", () => sign(remote, { iss: 'https://one' }), { provider: 'one' }],
      ["the unnamed provider's key", () => sign(ours, { iss: 'https://two' }), { provider: 'two' }],
    ])('refuses %s, though it is trusted for others', async (_, make, more) => {
      expect(await judge(await make())).toEqual(refused('token_unknown_kid', more));
    });

    it.each([
      ["another provider's key under a kid of its own", () => sign(remote, { iss: 'https://one' }, { kid: 'local' })],
      ['our key under a kid of its own', () => sign(ours, { iss: 'https://one' }, { kid: 'local' })],
      ["a provider's key under our kid", () => sign(local, { iss: 'keygate', key: 'live' }, { kid: 'ours' })],
    ])('refuses %s by its signature', async (_, make) => {
      expect(await judge(await make())).toEqual(refused('token_signature'));
    });

    it.each([[undefined], ['https://three'], ['https://one//'], ['constructor'], ['__proto__'], ['']])(
      'refuses the issuer %s, also where the unnamed provider is for any',
      async (iss) => {
        const token = await sign(local, iss === undefined ? {} : { iss });
        expect(await judge(token)).toEqual(refused('token_issuer'));
        expect(await judge(token, { issuers: 'any', audiences: 'any' })).toEqual(refused('token_issuer'));
        expect(await judge(token, { issuers: [], audiences: 'any' })).toEqual(refused('token_issuer'));
      },
    );

    it('takes in a location only the providers that it names', async () => {
      const token = await sign(local, { iss: 'https://one' });
      expect(await judge(token, { providers: ['two', 'one'] })).toMatchObject({ admitted: true });
      expect(await judge(token, { providers: ['two'] })).toEqual(refused('token_provider'));
      expect(await judge(token, { providers: [] })).toEqual(refused('token_provider'));
    });

    it('judges by the provider alone, and not by the settings of the unnamed one', async () => {
      const token = await sign(local, { iss: 'https://one', aud: 'llm' });
      expect(await judge(token, {}, withProviders({ audiences: ['other'] }))).toEqual(refused('token_audience'));
      const late = await sign(local, { iss: 'https://one', exp: now });
      expect(await judge(late, {}, withProviders({ leewaySeconds: 0 }))).toEqual(refused('token_expired'));
      const algorithms = ['RS256' as const];
      expect(await judge(token, {}, withProviders({ algorithms }))).toEqual(refused('token_provider_algorithm'));
    });

    it('says that keys are unavailable only for the provider that lacks them', async () => {
      const lacking = withProviders({ keys: [], lacksJwks: true });
      const withoutKid = { kid: undefined };
      const [one, two] = [
        await sign(local, { iss: 'https://one' }, withoutKid),
        await sign(remote, { iss: 'https://two' }),
      ];
      expect(await judge(one, {}, lacking)).toEqual(refused('keys_unavailable'));
      expect(await judge(two, {}, lacking)).toMatchObject({ admitted: true });
      const unknown = (iss: string) => sign(ours, { iss, aud: 'llm' });
      const reason = 'token_unknown_kid';
      for (const [iss, more] of [
        ['https://one', { provider: 'one', lacksJwks: true }],
        ['https://two', { provider: 'two' }],
        ['https://i', {}],
      ] as const)
        expect(await judge(await unknown(iss), {}, lacking)).toEqual(refused(reason, more));
    });

    it('blames no token for an issuer that nobody knows while the providers could not be read', async () => {
      const unread = trusted({ providers: 'unavailable' });
      expect(await judge(await sign(local, { iss: 'https://one' }), {}, unread)).toEqual(refused('keys_unavailable'));
      const any = { issuers: 'any', audiences: 'any' } as const;
      expect(await judge(await sign(local, { iss: 'https://i' }), any, unread)).toEqual(refused('keys_unavailable'));
    });

    it('takes neither an unnamed provider beside a list of names, nor keeps our own tokens out', async () => {
      const unnamedToken = await sign(local, { iss: 'https://i', aud: 'llm' });
      expect(await judge(unnamedToken, { providers: ['one'] })).toEqual(refused('token_provider'));
      const minted = await sign(ours, { iss: 'keygate', aud: 'llm', key: 'live' });
      expect(await judge(minted, { providers: ['one'] })).toMatchObject({ admitted: true });
    });

    it('takes a token that is bound to a certificate with this certificate alone', async () => {
      const certificateThumbprint = nodePlatform.sha256('certificate');
      const token = await sign(local, { iss: 'https://one', cnf: { 'x5t#S256': certificateThumbprint } });
      const settings = { issuers: [], audiences: [], leewaySeconds: 0 };
      const asked = { token, nowSeconds: now, settings, keys: withProviders(), platform: nodePlatform };
      expect(await decideToken({ ...asked, certificateThumbprint })).toMatchObject({ admitted: true });
      expect(await decideToken(asked)).toEqual(refused('token_certificate'));
    });
  });
});
