import { describe, expect, it } from 'vitest';
import { decide, type Decided, type Gate, type RequestFacts } from '../../auth/decide.js';
import type { KeyRecord } from '../../auth/key_record.js';
import type { LocationSettings } from '../../auth/location_settings.js';
import { admit, refuse } from '../../auth/verdict.js';
import { nodePlatform } from '../../verifier/platform.js';

const now = 1_800_000_000;
const settings: LocationSettings = {
  jwt: { issuers: 'any', audiences: 'any', leewaySeconds: 30 },
  requiredScopes: [],
  requiredScope: '',
};
const record: KeyRecord = { subject: 'bob', scopes: ['models'], expiresSeconds: undefined, fingerprint: 'f' };

const request = (credential: string, changed: Partial<RequestFacts> = {}): RequestFacts => ({
  headers: { authorization: '', xApiKey: credential, apiKey: '' },
  unusualTarget: undefined,
  settings,
  isPreflight: () => false,
  isDoubled: () => false,
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
    lacksJwks: () => false,
    refreshJwks: () => Promise.resolve('none'),
    recall: () => undefined,
    remember: (decided) => void remembered.push(decided),
    ...changed,
  };
}

describe('decide', () => {
  it('admits a digest key at once, without the sidecar, and leaves no verdict to remember, since it was cheap', () => {
    const one = gate();
    expect(decide(request('good'), one)).toMatchObject({
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
    expect(one.remembered).toEqual([{ credential: 'other', isToken: false, verdict: refuse('unknown_key') }]);
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

  it('takes a remembered verdict at once and as it is: it was reached under the same settings', () => {
    const remembered = admit({
      method: 'api_key',
      subject: 'x',
      issuer: '',
      scopes: [],
      expiresSeconds: undefined,
      keyId: '',
    });
    const one = gate({ recall: () => remembered });
    const scoped = { ...settings, requiredScopes: ['models'] };
    expect(decide(request('other', { settings: scoped }), one)).toEqual(remembered);
    expect(one.asked).toEqual([]);
  });

  it.each([
    ['bad_target', { unusualTarget: { hosts: 'a', path: '/x', rawTarget: '/x#' } }],
    ['bad_host', { unusualTarget: { hosts: 'a/b', path: '/x', rawTarget: '/x' } }],
    ['not_found', { unusualTarget: { hosts: 'a', path: '/token', rawTarget: '/x' } }],
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
    expect(await decide(request('good'), gate({ hasKeys: () => false }))).toEqual(refuse('keys_unavailable'));
  });

  it('lets a preflight through without a credential only', async () => {
    expect(await decide(request('', { isPreflight: () => true }), gate())).toMatchObject({
      admitted: true,
      principal: { subject: '' },
    });
    expect(await decide(request('wrong', { isPreflight: () => true }), gate())).toEqual(
      refuse('unknown_key'),
    );
  });

  it.each(['good, good', 'good, ', ', good', 'a.b, c.d'])(
    'says doubled_header for %j only where a header was sent twice',
    async (joined) => {
      const twice = await decide(
        request(joined, { isDoubled: () => true }),
        gate({ trustedKeys: () => noKeys }),
      );
      expect(twice).toEqual(refuse('doubled_header'));
      const once = await decide(request(joined), gate({ trustedKeys: () => noKeys }));
      expect(once).toMatchObject({
        admitted: false,
        reason: expect.stringMatching(/malformed|base64url|unknown_key/) as string,
      });
    },
  );

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
