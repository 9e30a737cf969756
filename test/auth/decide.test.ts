// A client whose request is decided, with every kind of credential, in the order of the checks.

import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { decide, type Decided, type Gate, type RequestFacts } from '../../auth/decide.js';
import { parseJwks, type Jwks } from '../../auth/jwk.js';
import type { KeyRecord } from '../../auth/key_record.js';
import type { LocationSettings } from '../../auth/location_settings.js';
import { groupByIssuer } from '../../auth/token_rules.js';
import type { TrustedKeys } from '../../auth/token_verdict.js';
import { admit, refuse } from '../../auth/verdict.js';
import { nodePlatform } from '../../node/crypto.js';
import { trustedKeys, unnamed } from './trusted_keys.js';

const now = 1_800_000_000;
const settings: LocationSettings = {
  jwt: { issuers: 'any', audiences: 'any', leewaySeconds: 30 },
  credentialHeaders: [],
  resource: '',
  metadataUrl: '',
  requiredScopes: [],
  requiredScope: '',
  hidesTokenRoute: true,
  takesCertificates: false,
  keyLimit: null,
};
const record: KeyRecord = { subject: 'bob', scopes: ['models'], expiresSeconds: null, keyId: 'f', limit: null };

const request = (credential: string, changed: Partial<RequestFacts> = {}): RequestFacts => ({
  headers: { authorization: '', xApiKey: credential, apiKey: '', further: '' },
  target: '= localhost:5000 localhost /v1/models',
  settings,
  isPreflight: () => false,
  certificate: () => undefined,
  ...changed,
});

function gate(changed: Partial<Gate> = {}): Gate & { asked: string[]; remembered: Decided[] } {
  const asked: string[] = [];
  const remembered: Decided[] = [];
  return {
    asked,
    remembered,
    platform: nodePlatform,
    nowSeconds: now,
    hasKeys: () => true,
    findKey: (digest) => (digest === nodePlatform.sha256('good') ? record : undefined),
    mayBeHashed: () => true,
    checkHashedKey: (credential) => {
      asked.push(credential);
      return Promise.resolve(refuse('unknown_key'));
    },
    trustedKeys: () => undefined,
    refreshJwks: () => Promise.resolve('none'),
    recall: () => undefined,
    remember: (decided) => void remembered.push(decided),
    ...changed,
  };
}

describe('decide', () => {
  it('admits a digest key at once, without the sidecar, and remembers that it cost nothing', () => {
    const one = gate();
    const verdict = decide(request('good'), one);
    expect(verdict).toMatchObject({ admitted: true, principal: { subject: 'bob', method: 'api_key' } });
    expect(one.asked).toEqual([]);
    expect(one.remembered).toEqual([{ credential: 'good', cost: 'nothing', verdict }]);
  });

  it('asks the sidecar about an unknown key and remembers its verdict', async () => {
    const one = gate();
    expect(await decide(request('other'), one)).toEqual(refuse('unknown_key'));
    expect(one.asked).toEqual(['other']);
    expect(one.remembered).toEqual([{ credential: 'other', cost: 'bcrypt', verdict: refuse('unknown_key') }]);
  });

  it('does not ask when no bcrypt entry could match, or the key can not have been hashed', async () => {
    const none = gate({ mayBeHashed: () => false });
    expect(await decide(request('other'), none)).toEqual(refuse('unknown_key'));
    const long = gate();
    expect(await decide(request('k'.repeat(73)), long)).toEqual(refuse('unknown_key'));
    expect([...none.asked, ...long.asked]).toEqual([]);
  });

  it('never takes a value with exactly two dots for an API key', async () => {
    const one = gate({ findKey: () => record });
    expect(await decide(request('a.b.c'), one)).toEqual(refuse('keys_unavailable'));
  });

  const admission = admit({
    method: 'api_key',
    subject: 'x',
    issuer: '',
    scopes: [],
    expiresSeconds: undefined,
    keyId: '',
    limit: null,
    budget: '',
  });

  it.each(['other', 'a.b.c'])(
    'takes a remembered verdict on %j at once and as it is: it was reached under the same settings',
    (credential) => {
      for (const verdict of [admission, refuse('expired_key')]) {
        const one = gate({ recall: (asked) => (asked === credential ? verdict : undefined) });
        const scoped = { ...settings, requiredScopes: ['models'] };
        expect(decide(request(credential, { settings: scoped }), one)).toEqual(verdict);
        expect([...one.asked, ...one.remembered]).toEqual([]);
      }
    },
  );

  it('looks nothing up for a digest key and for what is no credential', () => {
    const recall = () => admission;
    expect(decide(request('good'), gate({ recall }))).toMatchObject({ principal: { subject: 'bob' } });
    expect(decide(request('mal formed'), gate({ recall }))).toEqual(refuse('malformed_credential'));
    expect(
      decide(
        request('x', { headers: { authorization: 'a', xApiKey: 'b', apiKey: '', further: '' } }),
        gate({ recall }),
      ),
    ).toEqual(refuse('two_credentials'));
  });

  it.each([
    ['bad_target', { target: '= a a /x#' }],
    ['bad_host', { target: '= a/b a /x' }],
    ['identity_header', { target: '=root a a /x' }],
    ['hidden_route', { target: '= a a /token' }],
  ] as [string, Partial<RequestFacts>][])('refuses with %s before anything is looked up', (reason, changed) => {
    for (const credential of ['good', '']) {
      const one = gate({ recall: () => admission });
      const refused = decide(request(credential, { isPreflight: () => true, ...changed }), one);
      expect(refused).toEqual({ admitted: false, reason });
      expect(one.remembered).toEqual([]);
    }
  });

  it('refuses a good key without the scope that the location requires', () => {
    const scoped = (scope: string) => request('good', { settings: { ...settings, requiredScopes: [scope] } });
    expect(decide(scoped('chat'), gate())).toMatchObject({
      reason: 'insufficient_scope',
      principal: { subject: 'bob' },
    });
    expect(decide(scoped('models'), gate())).toMatchObject({ admitted: true });
  });

  it('refuses an expired entry, and names it', async () => {
    const findKey = () => ({ ...record, expiresSeconds: now });
    const refused = { admitted: false, reason: 'expired_key', principal: { subject: 'bob' } };
    expect(await decide(request('good'), gate({ findKey }))).toMatchObject(refused);
  });

  it('says keys_unavailable, never 401, while no keys are loaded', async () => {
    expect(await decide(request('good'), gate({ hasKeys: () => false }))).toEqual(refuse('keys_unavailable'));
  });

  it('lets a preflight through without a credential only', async () => {
    expect(await decide(request('', { isPreflight: () => true }), gate())).toMatchObject({
      admitted: true,
      principal: { subject: '' },
    });
    expect(await decide(request('wrong', { isPreflight: () => true }), gate())).toEqual(refuse('unknown_key'));
  });

  const certificate = { thumbprint: 'T'.repeat(43), verifiedSubject: undefined, endSeconds: now + 60 };
  const certified = (credential: string, changed: Partial<RequestFacts> = {}) =>
    request(credential, { certificate: () => certificate, ...changed });
  const findCertified = (hash: string) =>
    hash === `x509:${certificate.thumbprint}` || hash === nodePlatform.sha256('good') ? record : undefined;

  it('goes by the certificate of a client only where the client has sent no credential', async () => {
    const one = gate({ findKey: findCertified, mayBeHashed: () => false });
    const verdict = decide(certified(''), one);
    expect(verdict).toMatchObject({ admitted: true, principal: { method: 'certificate', expiresSeconds: now + 60 } });
    expect(one.remembered).toEqual([{ credential: '', cost: 'nothing', verdict }]);
    expect(decide(certified('good'), one)).toMatchObject({ principal: { method: 'api_key' } });
    expect(decide(certified('wrong'), one)).toEqual(refuse('unknown_key'));
    const basic = { headers: { authorization: 'Basic eDp5', xApiKey: '', apiKey: '', further: '' } };
    expect(decide(certified('', basic), one)).toEqual(refuse('unsupported_scheme'));
  });

  it('asks of a certificate what it asks of a key: a scope, and where there is none, the limit of the location', () => {
    const one = gate({ findKey: findCertified });
    const keyLimit = { intervalMs: 1000, burst: 1 };
    expect(decide(certified('', { settings: { ...settings, keyLimit } }), one)).toMatchObject({
      principal: { limit: keyLimit },
    });
    const scoped = { settings: { ...settings, requiredScopes: ['chat'] } };
    expect(decide(certified('', scoped), one)).toMatchObject({ reason: 'insufficient_scope' });
  });

  it('lets a preflight through whatever the certificate, and names who has a good one', () => {
    const preflight = { isPreflight: () => true };
    expect(decide(certified('', preflight), gate())).toMatchObject({ admitted: true, principal: { subject: '' } });
    expect(decide(certified('', preflight), gate({ findKey: findCertified }))).toMatchObject({
      principal: { subject: 'bob' },
    });
  });

  it.each([
    ['doubled_header', 'good, good'],
    ['malformed_credential', 'go od'],
    ['credential_too_long', 'k'.repeat(12289)],
  ] as const)('says %s without looking anything up', (reason, value) => {
    const one = gate({ hasKeys: () => false });
    expect(decide(request(value), one)).toEqual(refuse(reason));
    expect(one.remembered).toEqual([]);
  });

  const unknownKid = `${Buffer.from('{"alg":"RS256","kid":"k"}').toString('base64url')}.e30.AAAA`;
  const noKeys = trustedKeys();

  it.each([
    ['current', false, 'token_unknown_kid'],
    ['failed', false, 'keys_unavailable'],
    ['none', false, 'token_unknown_kid'],
    ['none', true, 'keys_unavailable'],
    ['current', true, 'keys_unavailable'],
  ] as const)(
    'answers an unknown kid after a refresh that is %s (set lacking: %s) with %s',
    async (outcome, lacks, reason) => {
      const one = gate({
        trustedKeys: () => ({ ...noKeys, unnamed: { keys: [], lacksJwks: lacks } }),
        refreshJwks: () => Promise.resolve(outcome),
      });
      expect(await decide(request(unknownKid), one)).toEqual({ admitted: false, reason });
    },
  );

  it.each([
    ['lacks its keys', true, 'keys_unavailable'],
    ['has its keys', false, 'token_unknown_kid'],
  ])('has the keys of the very provider fetched, which %s', async (_, lacks, reason) => {
    const claims = Buffer.from('{"iss":"https://p"}').toString('base64url');
    const token = unknownKid.replace('e30', claims);
    const issuers = ['https://p'];
    const provider = { name: 'p', issuers, audiences: 'any', leewaySeconds: 0, lacksJwks: lacks } as const;
    const fetched: (string | undefined)[] = [];
    const one = gate({
      trustedKeys: () => ({ ...noKeys, providers: groupByIssuer([{ ...provider, keys: [] }]) }),
      refreshJwks: (name) => {
        fetched.push(name);
        return Promise.resolve('current');
      },
    });
    expect(await decide(request(token), one)).toMatchObject({ admitted: false, reason });
    expect(fetched).toEqual(['p']);
  });

  it('refuses a token at once, and remembers nothing, where that takes no signature', () => {
    const one = gate({ trustedKeys: () => noKeys });
    const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.e30.AAAA`;
    expect(decide(request(unsigned), one)).toEqual(refuse('token_algorithm'));
    expect(one.remembered).toEqual([]);
  });

  it('remembers what a signature was verified for, also with the keys of a refresh', async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256');
    const text = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'k' }] });
    const signing = new SignJWT({ sub: 's', exp: now + 60 }).setProtectedHeader({ alg: 'ES256', kid: 'k' });
    const token = await signing.sign(privateKey);
    const fetched = { ...noKeys, unnamed: unnamed(...(parseJwks(text, nodePlatform) as Jwks).keys) };
    let keys = noKeys as TrustedKeys;
    const one = gate({
      trustedKeys: () => keys,
      refreshJwks: () => {
        keys = fetched;
        return Promise.resolve('current');
      },
    });
    const verdict = await decide(request(token), one);
    expect(verdict).toMatchObject({ admitted: true, principal: { method: 'jwt', keyId: 'k' } });
    expect(one.remembered).toEqual([{ credential: token, cost: 'signature', verdict }]);
    const short = { ...certificate, endSeconds: now + 30 };
    expect(await decide(request(token, { certificate: () => short }), one)).toMatchObject({
      principal: { method: 'jwt', expiresSeconds: now + 30 },
    });
  });
});
