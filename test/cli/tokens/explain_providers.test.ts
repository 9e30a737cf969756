// An admin asks why a provider refuses a token. Whoever made the token would like it to be taken for another's.

import { beforeAll, describe, expect, it } from 'vitest';
import { parseClaimPath } from '../../../auth/claim_path.js';
import { parsePattern } from '../../../auth/claim_tests.js';
import { parseJsonObject, type UnverifiedObject } from '../../../auth/json.js';
import { parseJwks, type Jwks } from '../../../auth/jwk.js';
import { parseToken } from '../../../auth/jwt.js';
import { groupByIssuer, type Provider } from '../../../auth/token_rules.js';
import type { TokenQuestion } from '../../../auth/token_verdict.js';
import { explainProviders } from '../../../cli/tokens/explain_providers.js';
import { nodePlatform } from '../../../node/crypto.js';
import { trustedKeys } from '../../auth/trusted_keys.js';
import { jwksOf, makeSigner, type Signer } from '../../gateway/harness/tokens.js';

const now = Math.floor(Date.now() / 1000);
let signer: Signer;
let stranger: Signer;
let minter: Signer;

beforeAll(async () => {
  [signer, stranger, minter] = [
    await makeSigner('ES256', 'known'),
    await makeSigner('ES256', 'known'),
    await makeSigner('ES256', 'minting'),
  ];
});

const keysOf = (...signers: Signer[]) => (parseJwks(jwksOf(...signers), nodePlatform) as Jwks).keys;
const providerWith = (changed: Partial<Provider> = {}): Provider => ({
  name: 'corp',
  issuers: ['https://corp.example'],
  audiences: ['llm'],
  leewaySeconds: 30,
  keys: keysOf(signer),
  lacksJwks: false,
  require: [],
  subject: [parseClaimPath('sub')],
  scopes: [parseClaimPath('scope')],
  claims: [],
  ...changed,
});
const good = { iss: 'https://corp.example', aud: 'llm' };

interface Asking {
  providers: Provider[];
  isSkipped?: boolean;
  keys?: Partial<TokenQuestion['keys']>;
  settings?: TokenQuestion['settings'];
}

async function explain(token: string, { providers, isSkipped = false, keys, settings }: Asking) {
  const parsed = parseToken(token, nodePlatform);
  if ('reason' in parsed) throw new Error(parsed.reason);
  const question: TokenQuestion = {
    token,
    nowSeconds: now,
    settings: settings ?? { issuers: 'any', audiences: 'any', leewaySeconds: 0 },
    keys: trustedKeys({ providers: groupByIssuer(providers), ...keys }),
    platform: nodePlatform,
  };
  const known = providers.map((provider) => ({ provider, isSkipped }));
  return explainProviders(question, parsed.unverifiedClaims, known);
}

const explainOne = async (claims: object, changed: Partial<Provider> = {}, isSkipped = false) =>
  (await explain(await signer.sign({ ...good, ...claims }), { providers: [providerWith(changed)], isSkipped }))[0];

describe('explainProviders', () => {
  it.each([false, true])(
    'names the algorithms of an entry that has others, also without its keys: %s',
    async (isSkipped) => {
      expect(await explainOne({}, { algorithms: ['RS256', 'PS256'] }, isSkipped)).toMatchObject({
        reason: 'token_provider_algorithm',
        details: ['expected RS256 or PS256'],
      });
      expect(await explainOne({}, { algorithms: ['ES256'] }, isSkipped)).toMatchObject({ reason: null });
    },
  );

  it('says that a provider admits its token', async () => {
    expect(await explainOne({})).toEqual({
      name: 'corp',
      issuers: ['https://corp.example'],
      isIssuer: true,
      reason: null,
      details: [],
      isVerified: true,
    });
  });

  it("says of each provider whether it would admit the token if it were the issuer's, in their order", async () => {
    const providers = [
      providerWith({ name: 'slash', issuers: ['https://corp.example/', 'corp'] }),
      providerWith(),
      providerWith({ name: 'other', issuers: ['https://other.example'], keys: keysOf(stranger) }),
    ];
    const explained = await explain(await signer.sign(good), { providers });
    expect(explained.map(({ name, isIssuer, reason }) => [name, isIssuer, reason])).toEqual([
      ['slash', false, null],
      ['corp', true, null],
      ['other', false, 'token_signature'],
    ]);
  });

  it.each<[string, object, Partial<Provider>, string, string[]]>([
    ['the audience', { aud: 'x' }, {}, 'token_audience', ['expected llm']],
    ['the audience, of several', { aud: [] }, { audiences: ['a', 'b'] }, 'token_audience', ['expected a or b']],
    ['no audience', { aud: undefined }, {}, 'token_audience', ['expected llm']],
    ['an algorithm', {}, { algorithms: ['RS256', 'PS256'] }, 'token_provider_algorithm', ['expected RS256 or PS256']],
    ['an empty subject', { sub: '' }, {}, 'token_no_subject', ['expected in sub']],
    [
      'a missing subject, of several',
      {},
      { subject: [parseClaimPath('email'), parseClaimPath('a.b')] },
      'token_no_subject',
      ['expected in email or a.b'],
    ],
    ['a subject that no header may hold', { sub: 'a\r\nb' }, {}, 'token_subject', ['expected in sub']],
    ['an end', { exp: now - 100 }, {}, 'token_expired', []],
    [
      'an end, and nothing of the tests behind it',
      { exp: now - 100 },
      { require: [{ claim: parseClaimPath('c'), kind: 'one_of', values: [1] }] },
      'token_expired',
      [],
    ],
    ['a certificate', { cnf: { 'x5t#S256': 'x'.repeat(43) } }, {}, 'token_certificate', []],
    ['a claim of another type', { sub: 7 }, {}, 'token_claim_type', []],
    ['a key', {}, { keys: [] }, 'token_unknown_kid', []],
    ['keys that are not there', {}, { keys: [], lacksJwks: true }, 'token_unknown_kid', []],
  ])('names %s, and what was expected', async (_, claims, changed, reason, details) => {
    expect(await explainOne(claims, changed)).toMatchObject({ reason, details, isVerified: true });
  });

  it('names the tests that the token does not pass, and only those, each with its place', async () => {
    const claim = parseClaimPath;
    const require: Provider['require'] = [
      { claim: claim('iss'), kind: 'one_of', values: ['https://corp.example'] },
      { claim: claim('groups'), kind: 'contains', value: 'llm' },
      { claim: claim('a.b'), kind: 'one_of', values: ['x', 1, true] },
      { claim: claim('email'), kind: 'matches', pieces: parsePattern('*@corp.*') },
      { claim: claim('n'), kind: 'one_of', values: [5] },
      { claim: claim('quoted'), kind: 'contains', value: 'a"\u001b' },
    ];
    const claims = { groups: 'llm', a: { b: 'y' }, email: 'x@corp', n: 5, quoted: [] };
    expect(await explainOne(claims, { require })).toMatchObject({
      reason: 'token_require',
      details: [
        'require[1]: groups contains "llm"',
        'require[2]: a.b is "x" or 1 or true',
        'require[3]: email matches "*@corp.*"',
        'require[5]: quoted contains "a\\"\\u001b"',
      ],
    });
  });

  it("tells nothing of the token's own values", async () => {
    const secret = 'value-of-the-token';
    const changed = { require: [{ claim: parseClaimPath('c'), kind: 'one_of' as const, values: ['x'] }] };
    for (const claims of [{ c: secret }, { aud: secret }, { sub: `${secret}\n` }, { iss: secret, aud: 'x' }])
      expect(JSON.stringify(await explainOne(claims, changed))).not.toContain(secret);
  });
});

describe('explainProviders, for a token of another', () => {
  it('judges by the keys of each provider alone: no other keys count', async () => {
    const keys = {
      minting: { issuer: 'keygate', keys: keysOf(minter) },
      unnamed: { keys: keysOf(minter), lacksJwks: false },
    };
    const settings = { issuers: ['keygate', 'https://free.example'], audiences: 'any' as const, leewaySeconds: 0 };
    for (const iss of ['keygate', 'https://free.example', 'https://corp.example']) {
      const token = await minter.sign({ ...good, iss });
      const [explained] = await explain(token, { providers: [providerWith()], keys, settings });
      expect(explained, iss).toMatchObject({ reason: 'token_unknown_kid', isIssuer: iss === good.iss });
    }
  });

  it('judges a token without an issuer by no rule but that', async () => {
    for (const iss of [undefined, null, 7, ['https://corp.example']]) {
      const explained = await explainOne({ iss });
      expect(explained).toMatchObject({ isIssuer: false, reason: 'token_issuer', details: [] });
    }
  });

  it('takes an issuer that is a name of the prototype for a text', async () => {
    for (const iss of ['__proto__', 'constructor', ''])
      expect(await explainOne({ iss })).toMatchObject({ isIssuer: false, reason: null });
  });

  it('says keys_unavailable while the deny list can not be read', async () => {
    const asking = { providers: [providerWith()], keys: { hasDenyList: false } };
    expect(await explain(await signer.sign(good), asking)).toMatchObject([{ reason: 'keys_unavailable' }]);
  });
});

describe('explainProviders, for keys that were not looked at', () => {
  it.each<[string, object, string | null, string[]]>([
    ['good ones', {}, null, []],
    ['another audience', { aud: 'x' }, 'token_audience', ['expected llm']],
    ['an end', { exp: now - 100 }, 'token_expired', []],
    ['no subject', { sub: undefined }, 'token_no_subject', ['expected in sub']],
    ['a certificate', { cnf: { 'x5t#S256': 'x'.repeat(43) } }, 'token_certificate', []],
    ['an issue in the future', { iat: now + 1000 }, 'token_issued_in_future', []],
  ])('judges the claims alone: %s', async (_, claims, reason, details) => {
    expect(await explainOne(claims, { keys: [], lacksJwks: true }, true)).toMatchObject({
      isIssuer: true,
      isVerified: false,
      reason,
      details,
    });
  });
});

it('explains nothing where there is no provider', async () => {
  const { object } = parseJsonObject('{}') as { object: UnverifiedObject };
  expect(await explainProviders({} as TokenQuestion, object, [])).toEqual([]);
});
