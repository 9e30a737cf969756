import { describe, expect, it } from 'vitest';
import { decide, type Gate, type KeyRecord, type RequestFacts } from '../../auth/decide.js';
import type { LocationSettings } from '../../auth/location_settings.js';
import { admit, refuse, type Verdict } from '../../auth/verdict.js';
import { nodePlatform } from '../../verifier/platform.js';

const now = 1_800_000_000;
const settings: LocationSettings = {
  armed: true,
  targetFlags: '',
  jwt: { issuers: 'any', audiences: 'any', leewaySeconds: 30 },
  requiredScopes: [],
  requiredScope: '',
};
const record: KeyRecord = { subject: 'bob', scopes: ['models'], expiresSeconds: undefined, fingerprint: 'f' };

const request = (credential: string, changed: Partial<RequestFacts> = {}): RequestFacts => ({
  headers: { authorization: undefined, xApiKey: credential, apiKey: undefined, isDoubled: () => false },
  path: '/v1/models',
  rawTarget: '/v1/models',
  settings,
  isPreflight: false,
  ...changed,
});

function gate(changed: Partial<Gate> = {}): Gate & { asked: string[]; remembered: Verdict[] } {
  const asked: string[] = [];
  const remembered: Verdict[] = [];
  return {
    asked,
    remembered,
    platform: nodePlatform,
    nowSeconds: now,
    keys: 'available',
    findKey: (digest) => (digest === nodePlatform.sha256('good') ? record : undefined),
    mayBeHashed: () => true,
    checkHashedKey: (credential) => {
      asked.push(credential);
      return Promise.resolve(refuse('unknown_key'));
    },
    trustedKeys: () => undefined,
    lacksJwks: () => false,
    refreshJwks: () => Promise.resolve('none'),
    recall: () => undefined,
    remember: (_, verdict) => remembered.push(verdict),
    ...changed,
  };
}

describe('decide', () => {
  it('admits a digest key without the sidecar and without a cache', async () => {
    const one = gate();
    expect(await decide(request('good'), one)).toMatchObject({
      admitted: true,
      principal: { subject: 'bob', method: 'api_key' },
    });
    expect(one.asked).toEqual([]);
    expect(one.remembered).toEqual([]);
  });

  it('asks the sidecar about an unknown key and remembers its verdict', async () => {
    const one = gate();
    expect(await decide(request('other'), one)).toEqual(refuse('unknown_key'));
    expect(one.asked).toEqual(['other']);
    expect(one.remembered).toHaveLength(1);
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

  it('takes a remembered verdict, but judges scopes anew', async () => {
    const remembered = admit({
      method: 'api_key',
      subject: 'x',
      issuer: '',
      scopes: [],
      expiresSeconds: undefined,
      keyId: '',
    });
    const one = gate({ recall: () => remembered });
    expect(await decide(request('other'), one)).toEqual(remembered);
    const scoped = { ...settings, requiredScopes: ['models'] };
    expect(await decide(request('other', { settings: scoped }), one)).toEqual(refuse('insufficient_scope'));
    expect(one.asked).toEqual([]);
  });

  it.each([
    ['location_not_configured', { settings: { ...settings, armed: false } }],
    ['bad_target', { settings: { ...settings, targetFlags: 'target ' } }],
    ['bad_host', { settings: { ...settings, targetFlags: 'host ' } }],
    ['not_found', { settings: { ...settings, targetFlags: 'suspect ' }, path: '/token' }],
    ['insufficient_scope', { settings: { ...settings, requiredScopes: ['chat'] } }],
  ] as [string, Partial<RequestFacts>][])(
    'refuses with %s before or after a good key',
    async (reason, changed) => {
      expect(await decide(request('good', changed), gate())).toEqual({ admitted: false, reason });
    },
  );

  it('refuses an expired entry', async () => {
    const findKey = () => ({ ...record, expiresSeconds: now });
    expect(await decide(request('good'), gate({ findKey }))).toEqual(refuse('expired_key'));
  });

  it('says keys_unavailable, never 401, while no keys are loaded', async () => {
    expect(await decide(request('good'), gate({ keys: 'missing' }))).toEqual(refuse('keys_unavailable'));
  });

  it('lets a preflight through without a credential only', async () => {
    expect(await decide(request('', { isPreflight: true }), gate())).toMatchObject({
      admitted: true,
      principal: { subject: '' },
    });
    expect(await decide(request('wrong', { isPreflight: true }), gate())).toEqual(refuse('unknown_key'));
  });

  const unknownKid = `${Buffer.from('{"alg":"RS256","kid":"k"}').toString('base64url')}.e30.AAAA`;
  const noKeys = {
    minting: undefined,
    local: [],
    remote: [],
    isDeniedKid: () => false,
    isDeniedJti: () => false,
    entryEnds: () => undefined,
  };

  it.each([
    ['current', false, 'token_unknown_kid'],
    ['failed', false, 'keys_unavailable'],
    ['none', false, 'token_unknown_kid'],
    ['none', true, 'keys_unavailable'],
  ] as const)(
    'answers an unknown kid after a refresh that is %s (set lacking: %s) with %s',
    async (outcome, lacks, reason) => {
      const one = gate({
        trustedKeys: () => noKeys,
        refreshJwks: () => Promise.resolve(outcome),
        lacksJwks: () => lacks,
      });
      expect(await decide(request(unknownKid), one)).toEqual({ admitted: false, reason });
    },
  );
});
