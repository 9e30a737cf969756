// An operator who writes a providers file, with an editor that knows the schema or without; and the mistakes in it.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { parseClaimPath } from '../../auth/claim_path.js';
import { nameVariable } from '../../auth/carried_claims.js';
import { parseProviders, providerHeaders } from '../../auth/providers.js';

const schema = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../docs/providers.schema.json'), 'utf8'),
) as object;
const fitsSchema = new Ajv2020({ allowUnionTypes: true, strictTuples: false }).compile(schema);

const base = { name: 'corp', issuer: 'https://login.corp.example/', audience: ['llm'], jwks: { file: 'corp.json' } };
const fileWith = (changed: object) => ({ providers: [{ ...base, ...changed }] });
const testing = (test: object) => fileWith({ require: [{ claim: 'c', ...test }] });
const parse = (file: unknown) => parseProviders(JSON.stringify(file));
const faultsOf = (file: unknown) => {
  const parsed = parse(file);
  return 'faults' in parsed ? parsed.faults : [];
};

// The example of the documentation.
const example = {
  providers: [
    {
      name: 'corp',
      issuer: ['https://login.corp.example/'],
      audience: ['llm'],
      jwks: { file: 'corp.json' },
      require: [{ claim: 'groups', contains: 'llm-users' }],
      subject: 'email',
      scopes: ['scope', 'roles'],
      claims: ['email'],
    },
    {
      name: 'pool',
      issuer: ['https://idp.example/pool'],
      audience: 'any',
      jwks: { url: 'https://idp.example/keys' },
      require: [{ claim: 'client_id', one_of: ['abc'] }],
    },
    {
      name: 'cloud',
      issuer: ['https://accounts.example'],
      audience: ['llm'],
      jwks: 'discover',
      header: 'Cf-Access-Jwt-Assertion',
    },
  ],
};

describe('parseProviders', () => {
  it('reads every member, and the defaults of what is missing', () => {
    const [corp, pool, cloud] = (parse(example) as { providers: object[] }).providers;
    expect(corp).toEqual({
      name: 'corp',
      issuers: ['https://login.corp.example/'],
      audiences: ['llm'],
      jwks: { file: 'corp.json' },
      leewaySeconds: 30,
      require: [{ claim: parseClaimPath('groups'), kind: 'contains', value: 'llm-users' }],
      subject: [parseClaimPath('email')],
      scopes: [parseClaimPath('scope'), parseClaimPath('roles')],
      claims: [parseClaimPath('email')],
    });
    expect(pool).toMatchObject({
      audiences: 'any',
      jwks: { url: 'https://idp.example/keys' },
      require: [{ kind: 'one_of', values: ['abc'] }],
      subject: [parseClaimPath('sub')],
      scopes: [parseClaimPath('scope'), parseClaimPath('scp')],
      claims: [],
    });
    expect(cloud).toMatchObject({ jwks: 'discover', header: 'Cf-Access-Jwt-Assertion', require: [] });
  });

  it('reads a test of each kind', () => {
    const require = [
      { claim: 'a', equals: false },
      { claim: 'b', one_of: ['x', 2] },
      { claim: 'c', contains: 3 },
      { claim: 'd.e', matches: 'repo:org/*:ref:refs/heads/*' },
    ];
    expect(parse(fileWith({ require }))).toMatchObject({
      providers: [
        {
          require: [
            { kind: 'one_of', values: [false] },
            { kind: 'one_of', values: ['x', 2] },
            { kind: 'contains', value: 3 },
            {
              claim: { name: 'd.e', parts: ['d', 'e'] },
              kind: 'matches',
              pieces: ['repo:org/', ':ref:refs/heads/', ''],
            },
          ],
        },
      ],
    });
  });

  it('takes both names of Ed25519 where one is listed', () => {
    const parsed = parse(fileWith({ algorithms: ['Ed25519', 'RS256'] }));
    expect(parsed).toMatchObject({ providers: [{ algorithms: ['RS256', 'EdDSA', 'Ed25519'] }] });
  });

  it('says all faults at once, each with its place', () => {
    const faulty = {
      providers: [
        { ...base, issuer: [], audiance: 'x' },
        { ...base, name: 'p q', require: [{ claim: 'c', matches: '**' }, { claim: 'c' }], leeway: -1 },
      ],
    };
    expect(faultsOf(faulty)).toEqual([
      expect.stringMatching(/^providers\[0\]\.audiance: expected one of name, issuer, /),
      'providers[0].issuer: expected a list of 1 to 16 issuers',
      'providers[1].name: expected up to 64 letters, digits, dots, - and _, but not any',
      'providers[1].leeway: expected a whole number of seconds from 0 to 9999',
      'providers[1].require[0].matches: expected more than asterisks, which match every text',
      'providers[1].require[1]: expected one of equals, one_of, contains, matches, and no two',
    ]);
  });

  it('keeps its list of faults short, and each fault on a line of ASCII', () => {
    const many = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`ä\n${i}`, 1]));
    const faults = faultsOf(fileWith(many));
    expect(faults).toHaveLength(101);
    expect(faults[100]).toBe('200 more faults');
    expect(faults.every((fault) => /^[\x20-\x7e]+$/.test(fault))).toBe(true);
  });

  it.each([
    ['no JSON', '{"providers":'],
    ['a text of 256 KiB', JSON.stringify(fileWith({ note: 'x'.repeat(262144) }))],
    ['ten thousand levels', `{"providers":${'['.repeat(10000)}${']'.repeat(10000)}}`],
    ['an array', JSON.stringify([base])],
    ['nothing', ''],
    ['a doubled member', JSON.stringify(example).replace('"name":', '"leeway":30,"leeway":30,"name":')],
  ])('refuses %s', (_, text) => {
    expect(parseProviders(text)).toHaveProperty('faults');
  });
});

const good: { [what: string]: object } = {
  'the example': example,
  'as many providers as there may be': {
    providers: Array.from({ length: 64 }, (_, i) => ({ ...base, name: `p${i}`, issuer: `https://i/${i}` })),
  },
  'an issuer that is no URL': fileWith({ issuer: 'accounts.example' }),
  'a single audience': fileWith({ audience: 'llm' }),
  'a URL with port, path and query': fileWith({ jwks: { url: 'https://idp.example:8443/keys?v=1' } }),
  'an address as host': fileWith({ jwks: { url: 'https://10.0.0.1/keys' }, ca: 'ca.pem', credential: '/run/token' }),
  'an IPv6 address as host': fileWith({ jwks: { url: 'https://[fd00::1]:6443/openid/v1/jwks' } }),
  'several spellings, the first for discovery': fileWith({
    issuer: ['https://accounts.example', 'accounts.example'],
    jwks: 'discover',
  }),
  'all algorithms': fileWith({ algorithms: ['RS256', 'PS512', 'ES384', 'EdDSA'] }),
  'a leeway of nothing': fileWith({ leeway: 0 }),
  'the greatest leeway': fileWith({ leeway: 9999 }),
  'a claim named by a URL': testing({ claim: 'https://example.org/roles', contains: 'x' }),
  'a path of sixteen parts': testing({ claim: 'a.'.repeat(15) + 'a', equals: 1 }),
  'an empty text to equal': testing({ equals: '' }),
  'a number to equal': testing({ equals: -1.5 }),
  'sixteen wildcards': testing({ matches: '*a'.repeat(16) }),
  'several subjects': fileWith({ subject: ['sub', 'common_name'] }),
  'eight claims': fileWith({ claims: ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'] }),
};

const bad: { [what: string]: unknown } = {
  'a text in place of the file': 'providers',
  'null in place of the file': null,
  'no providers': {},
  'an empty list': { providers: [] },
  'an object in place of the list': { providers: base },
  'too many providers': {
    providers: Array.from({ length: 65 }, (_, i) => ({ ...base, name: `p${i}`, issuer: `https://i/${i}` })),
  },
  'a provider that is a text': { providers: ['corp'] },
  'a member beside providers': { ...example, version: 1 },
  'a member that nobody knows': fileWith({ issuers: 'x' }),
  'a member called __proto__': JSON.parse('{"providers":[],"__proto__":{}}'),
  'no name': fileWith({ name: undefined }),
  'an empty name': fileWith({ name: '' }),
  'a long name': fileWith({ name: 'x'.repeat(65) }),
  'the name any': fileWith({ name: 'any' }),
  'a name with a comma': fileWith({ name: 'a,b' }),
  'a name with a line end': fileWith({ name: 'a\n' }),
  'a number as name': fileWith({ name: 5 }),
  'no issuer': fileWith({ issuer: undefined }),
  'the issuer any': fileWith({ issuer: 'any' }),
  'the issuer any in a list': fileWith({ issuer: ['any'] }),
  'an empty issuer': fileWith({ issuer: '' }),
  'an issuer with a space': fileWith({ issuer: 'https://a b' }),
  'an issuer that is an object': fileWith({ issuer: { url: 'x' } }),
  'seventeen issuers': fileWith({ issuer: Array.from({ length: 17 }, (_, i) => `i${i}`) }),
  'an issuer of 257 characters': fileWith({ issuer: 'x'.repeat(257) }),
  'no audience': fileWith({ audience: undefined }),
  'an empty audience': fileWith({ audience: '' }),
  'an empty list of audiences': fileWith({ audience: [] }),
  'the word any within a list': fileWith({ audience: ['any'] }),
  'null as audience': fileWith({ audience: null }),
  'no jwks': fileWith({ jwks: undefined }),
  'keys in the file itself': fileWith({ jwks: { keys: [] } }),
  'another word for jwks': fileWith({ jwks: 'file' }),
  'a file and a URL': fileWith({ jwks: { file: 'a', url: 'https://a/' } }),
  'neither file nor URL': fileWith({ jwks: {} }),
  'an empty file name': fileWith({ jwks: { file: '' } }),
  'a file name with NUL': fileWith({ jwks: { file: 'a\u0000' } }),
  'a URL over http': fileWith({ jwks: { url: 'http://idp.example/keys' } }),
  'a URL with a user': fileWith({ jwks: { url: 'https://a:b@idp.example/keys' } }),
  'a URL with a fragment': fileWith({ jwks: { url: 'https://idp.example/keys#x' } }),
  'a URL with a line end': fileWith({ jwks: { url: 'https://idp.example/keys\r\nHost: x' } }),
  'a URL without host': fileWith({ jwks: { url: 'https:///keys' } }),
  'discovery for an issuer that is no URL': fileWith({ issuer: 'accounts.example', jwks: 'discover' }),
  'discovery over http': fileWith({ issuer: ['http://accounts.example'], jwks: 'discover' }),
  'discovery by an issuer with a query': fileWith({ issuer: 'https://accounts.example/?a=b', jwks: 'discover' }),
  'discovery by the second issuer': fileWith({ issuer: ['accounts.example', 'https://a.example'], jwks: 'discover' }),
  'certificate authorities for a file': fileWith({ ca: 'ca.pem' }),
  'a credential for a file': fileWith({ credential: 'token' }),
  'no algorithm': fileWith({ algorithms: [] }),
  'the algorithm none': fileWith({ algorithms: ['none'] }),
  'a symmetric algorithm': fileWith({ algorithms: ['RS256', 'HS256'] }),
  'an algorithm of the prototype': fileWith({ algorithms: ['constructor'] }),
  'an algorithm as text': fileWith({ algorithms: 'RS256' }),
  'a leeway as text': fileWith({ leeway: '30' }),
  'a leeway of half a second': fileWith({ leeway: 0.5 }),
  'a leeway below nothing': fileWith({ leeway: -1 }),
  'a leeway of hours': fileWith({ leeway: 10000 }),
  'no test': fileWith({ require: [] }),
  'a test outside a list': fileWith({ require: { claim: 'c', equals: 1 } }),
  'a test without claim': testing({ claim: undefined, equals: 'x' }),
  'a test of an empty name': testing({ claim: '', equals: 'x' }),
  'a path of seventeen parts': testing({ claim: 'a.'.repeat(16) + 'a', equals: 1 }),
  'a claim of 257 characters': testing({ claim: 'a'.repeat(257), equals: 1 }),
  'a claim with a line end': testing({ claim: 'a\n', equals: 1 }),
  'a test without value': testing({}),
  'two tests in one': testing({ equals: 'x', contains: 'x' }),
  'another kind of test': testing({ regex: '.*' }),
  'null to equal': testing({ equals: null }),
  'an object to equal': testing({ equals: { a: 1 } }),
  'an array to equal': testing({ equals: ['x'] }),
  'a long text to equal': testing({ equals: 'x'.repeat(513) }),
  'one of none': testing({ one_of: [] }),
  'one of a text': testing({ one_of: 'abc' }),
  'one of null': testing({ one_of: ['a', null] }),
  'one of too many': testing({ one_of: Array.from({ length: 257 }, (_, i) => i) }),
  'contains an array': testing({ contains: ['x'] }),
  'a pattern of asterisks': testing({ matches: '*' }),
  'an empty pattern': testing({ matches: '' }),
  'seventeen wildcards': testing({ matches: '*a'.repeat(17) }),
  'a pattern that is a number': testing({ matches: 5 }),
  'a pattern with a line end': testing({ matches: 'a*\n' }),
  'thirty-three tests': fileWith({ require: Array.from({ length: 33 }, () => ({ claim: 'c', equals: 1 })) }),
  'no subject': fileWith({ subject: [] }),
  'an empty subject': fileWith({ subject: '' }),
  'nine subjects': fileWith({ subject: Array.from({ length: 9 }, (_, i) => `s${i}`) }),
  'scopes as an object': fileWith({ scopes: { a: 1 } }),
  'claims as text': fileWith({ claims: 'email' }),
  'nine claims': fileWith({ claims: Array.from({ length: 9 }, (_, i) => `c${i}`) }),
  'a header with an underscore': fileWith({ header: 'a_b' }),
  'a header with a line end': fileWith({ header: 'A\r\nB' }),
};

// What a schema can't say.
const badBeyondSchema: { [what: string]: object } = {
  'two providers with one name': { providers: [base, { ...base, issuer: 'https://other' }] },
  'two providers with one issuer': {
    providers: [base, { ...base, name: 'other', issuer: ['https://o', base.issuer] }],
  },
  'an issuer twice': fileWith({ issuer: ['https://i', 'https://i'] }),
  'two claims with one variable': fileWith({ claims: ['a.b', 'A_b'] }),
  'two claims of two providers with one variable': {
    providers: [
      { ...base, claims: ['a.b'] },
      { ...base, name: 'other', issuer: 'https://other', claims: ['a-b'] },
    ],
  },
  'a header with another meaning': fileWith({ header: 'authorization' }),
  "a header of Keygate's": fileWith({ header: 'X-Auth-User' }),
  'a header of the connection': fileWith({ header: 'Connection' }),
};

describe('parser and schema', () => {
  it.each(Object.keys(good))('both take %s', (what) => {
    expect(faultsOf(good[what])).toEqual([]);
    fitsSchema(JSON.parse(JSON.stringify(good[what])));
    expect(fitsSchema.errors).toBeNull();
  });

  it.each(Object.keys(bad))('both refuse %s', (what) => {
    expect(faultsOf(bad[what])).not.toEqual([]);
    expect(fitsSchema(JSON.parse(JSON.stringify(bad[what])))).toBe(false);
  });

  it.each(Object.keys(badBeyondSchema))('the parser alone refuses %s', (what) => {
    expect(faultsOf(badBeyondSchema[what])).toHaveLength(1);
    expect(fitsSchema(badBeyondSchema[what])).toBe(true);
  });
});

it('names the command that finds the place where a text is no JSON', () => {
  const faults = ['the file: expected JSON; `keygate provider check` says where it is none'];
  expect(parseProviders('{"providers": [],}')).toEqual({ faults });
});

it('takes eight different headers of providers, in any case and in order, and no ninth', () => {
  const withHeaders = (...headers: string[]) =>
    parse({
      providers: headers.map((header, i) => ({ ...base, name: `p${i}`, issuer: `https://i/${i}`, header })),
    });
  const names = ['X-B', 'x-b', 'X-A', ...Array.from({ length: 6 }, (_, i) => `X-More-${i}`)];
  const read = withHeaders(...names);
  if ('faults' in read) throw new Error(read.faults.join('\n'));
  expect(providerHeaders(read.providers).slice(0, 3)).toEqual(['x-a', 'x-b', 'x-more-0']);
  expect(withHeaders(...names, 'X-Nine')).toEqual({
    faults: ['providers[].header: expected at most 8 different headers'],
  });
});

it('takes a number that no JSON number can hold for a fault', () => {
  const text = JSON.stringify(testing({ equals: 0 })).replace('"equals":0', '"equals":1e400');
  expect(parseProviders(text)).toHaveProperty('faults');
});

it('takes the same claim of two providers for one variable', () => {
  const claims = ['email'];
  expect(
    parse({
      providers: [
        { ...base, claims },
        { ...base, name: 'b', issuer: 'https://b', claims },
      ],
    }),
  ).toHaveProperty('providers');
  expect(parse({ providers: [{ ...base, claims: ['a_b', 'a__b'] }] })).toEqual({
    faults: ['providers[0].claims[1]: expected a claim that differs from the others by a letter or a digit'],
  });
  expect(nameVariable(parseClaimPath('https://example.org/Roles'))).toBe('keygate_claim_https___example_org_roles');
});
