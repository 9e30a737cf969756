// Each kind of key, token and header form, asked where its like was admitted a moment ago, and where nothing can be
// known: in a location whose settings are never the same twice. Status, body, challenge, the reason in the log and who
// the upstream is told of are equal.

import { hashSync } from '@node-rs/bcrypt';
import { createHash } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { guardOf, serverGuard } from './harness/embedded.js';
import { startGateway, type Gateway } from './harness/gateway.js';
import { inSeconds, jwksOf, makeSigner, type Signer } from './harness/tokens.js';
import { variants, type Variant } from './harness/variants.js';

type Headers = { [name: string]: string | string[] };

const sha256 = (key: string) => createHash('sha256').update(key).digest('base64url');
const line = (name: string, key: string, attributes = '') => `${name}:$sha256$${sha256(key)} ${attributes}\n`;
const soon = new Date(Date.now() + 3600_000).toISOString();
const generated = `kg_Ab3dE6gH_${'s'.repeat(43)}`;
const models = 'scope=models';

const keyFile = [
  line('opener', 'opener-key', models),
  line('digest', 'digest-key', models),
  line('expired', 'expired-key', `expires=2020-01-01T00:00:00Z ${models}`),
  line('lasting', 'lasting-key', `expires=${soon} ${models}`),
  line('unscoped', 'unscoped-key'),
  line('dotted', 'like.a.token', models),
  line('spaced', 'spaced key', models),
  line('comma', 'comma-key,', models),
  line('long', 'l'.repeat(300), models),
  `hashed:${hashSync('hashed-key', 4)} ${models}\n`,
  `chatting:${hashSync('chatting-key', 4)} scope=chat\n`,
  `named:${hashSync(generated, 4)} id=Ab3dE6gH ${models}\n`,
  'plain-text-key-of-the-test\n',
];

const locations = (variant: Variant) =>
  [
    ['/known/', 'one'],
    ['~ ^/unknown(\\d+)/', '"one,$1"'],
  ]
    .map(
      ([path, audience]) => `location ${path} { ${guardOf(variant)} set $keygate_jwt_audience ${audience};
        set $keygate_jwt_issuer "https://issuer.example,https://mint.example"; set $keygate_require_scope models;
        include keygate/proxy_headers.conf; proxy_pass http://keygate_upstream; }`,
    )
    .join('\n');

const keys: [what: string, headers: Headers, expected: string | number][] = [
  ['a SHA-256 key in x-api-key', { 'x-api-key': 'digest-key' }, 'digest'],
  ['the same in api-key', { 'api-key': 'digest-key' }, 'digest'],
  ['the same as a bearer token', { authorization: 'Bearer digest-key' }, 'digest'],
  ['the same with bearer in small letters', { authorization: 'bearer  digest-key' }, 'digest'],
  ['the same without a scheme', { authorization: 'digest-key' }, 'digest'],
  ['the same in two headers', { 'x-api-key': 'digest-key', 'api-key': 'digest-key' }, 'digest'],
  ['the same beside another scheme', { 'x-api-key': 'digest-key', authorization: 'Basic eDp5' }, 'digest'],
  ['a key that ends later', { 'x-api-key': 'lasting-key' }, 'lasting'],
  ['a long key', { 'x-api-key': 'l'.repeat(300) }, 'long'],
  ['a bcrypt key', { 'x-api-key': 'hashed-key' }, 'hashed'],
  ['a bcrypt key that names its entry', { 'x-api-key': generated }, 'named'],
  ['a bcrypt key of another scope', { 'x-api-key': 'chatting-key' }, 403],
  ['a SHA-256 key without a scope', { 'x-api-key': 'unscoped-key' }, 403],
  ['a plaintext key', { 'x-api-key': 'plain-text-key-of-the-test' }, 403],
  ['a key with a comma', { 'x-api-key': 'comma-key,' }, 400],
  ['an expired key', { 'x-api-key': 'expired-key' }, 401],
  ['a key that nobody has', { 'x-api-key': 'nobody-has-it' }, 401],
  ['a generated key that nobody has', { 'x-api-key': generated.replace('Ab3', 'Zz3') }, 401],
  ['a key shaped like a token', { 'x-api-key': 'like.a.token' }, 401],
  ['a key with a space', { 'x-api-key': 'spaced key' }, 401],
  ['a key longer than bcrypt reads', { 'x-api-key': 'h'.repeat(73) }, 401],
  ['a key longer than any', { 'x-api-key': 'h'.repeat(12289) }, 401],
  ['the digest in the place of the key', { 'x-api-key': sha256('digest-key') }, 401],
  ['the same key twice', { 'x-api-key': ['digest-key', 'digest-key'] }, 400],
  ['a key and an empty second header', { 'x-api-key': ['digest-key', ''] }, 400],
  ['two keys', { 'x-api-key': 'digest-key', 'api-key': 'lasting-key' }, 400],
  ['a key and another bearer token', { 'x-api-key': 'digest-key', authorization: 'Bearer lasting-key' }, 400],
  ['another scheme beside no key', { authorization: 'Basic digest-key' }, 401],
  ['bearer twice', { authorization: 'Bearer Bearer digest-key' }, 401],
  ['bearer in a key header', { 'x-api-key': 'Bearer digest-key' }, 401],
  ['nothing', {}, 401],
  ['an empty header', { 'x-api-key': '' }, 401],
];

const signers: { [name: string]: Signer } = {};
const signer = (name = 'RS256') => signers[name] as Signer;
const bearer = (token: string): Headers => ({ authorization: `Bearer ${token}` });
const encode = (text: string | Buffer) => Buffer.from(text).toString('base64url');
const good = { aud: 'one', scope: 'models' };
const sign = (claims: object = {}, name?: string) => signer(name).sign({ ...good, ...claims });
/** A good token with one of its parts replaced. */
const withPart = async (index: number, part: string | ((was: string) => string), name?: string) => {
  const parts = (await sign({}, name)).split('.');
  parts[index] = typeof part === 'string' ? part : part(parts[index] as string);
  return parts.join('.');
};
const signRaw = async (payload: string | Buffer, name = 'RS256') => {
  const { subtle } = globalThis.crypto;
  const [header] = (await sign({}, name)).split('.') as [string];
  const signed = `${header}.${encode(payload)}`;
  const algorithm = name === 'RS256' ? 'RSASSA-PKCS1-v1_5' : { name: 'ECDSA', hash: 'SHA-256' };
  const signature = await subtle.sign(algorithm, signer(name).privateKey, Buffer.from(signed));
  return `${signed}.${encode(Buffer.from(signature))}`;
};

const tokens: [what: string, make: () => Promise<string>, status: number][] = [
  ['a good token', () => sign({ sub: 'bob' }), 200],
  ['another scope list', () => sign({ scope: undefined, scp: ['models', 'chat'] }), 200],
  ['no subject', () => sign({ sub: undefined }), 200],
  ['an ES256 token', () => sign({ sub: 'eve' }, 'ES256'), 200],
  ['an EdDSA token', () => sign({ sub: 'ed' }, 'EdDSA'), 200],
  ['another typ', () => signer().sign(good, { typ: 'at+jwt' }), 200],
  ['a lower scope', () => sign({ scope: 'chat' }), 403],
  ['another audience', () => sign({ aud: 'two' }), 401],
  ['no audience', () => sign({ aud: undefined }), 401],
  ['another issuer', () => sign({ iss: 'https://elsewhere.example' }), 401],
  ['no issuer', () => sign({ iss: undefined }), 401],
  ['our own issuer', () => sign({ iss: 'https://mint.example' }), 401],
  ['an expired token', () => sign({ exp: inSeconds(-31) }), 401],
  ['no expiry', () => sign({ exp: undefined }), 401],
  ['a token of tomorrow', () => sign({ nbf: inSeconds(600) }), 401],
  ['an iat of tomorrow', () => sign({ iat: inSeconds(600) }), 401],
  ['a bound token', () => sign({ cnf: { jkt: 'x' } }), 401],
  ['a subject with a line feed', () => sign({ sub: 'a\nb' }), 401],
  ['sub null', () => sign({ sub: null as never }), 401],
  ['a denied jti', () => sign({ jti: 'denied' }), 401],
  [
    'a signature of another payload',
    async () => withPart(1, (await sign({ sub: 'mallory' })).split('.')[1] as string),
    401,
  ],
  ['a signature of zeros', () => withPart(2, encode(Buffer.alloc(256))), 401],
  ['a signature a byte short', () => withPart(2, encode(Buffer.alloc(255, 1))), 401],
  ['no signature', () => withPart(2, ''), 401],
  ['an ES256 signature of zeros', () => withPart(2, encode(Buffer.alloc(64)), 'ES256'), 401],
  ['a signature in another alphabet', () => withPart(2, (was) => was.replace(/.$/, '+')), 401],
  ['a padded signature', () => withPart(2, (was) => `${was}==`), 401],
  ['a fourth part', () => withPart(2, (was) => `${was}.${was}`), 401],
  ['an empty payload', () => withPart(1, ''), 401],
  ['a payload that is no base64url', () => withPart(1, 'a*b'), 401],
  ['a payload that is no JSON', () => signRaw('no json'), 401],
  ['a payload that is an array', () => signRaw('[1]'), 401],
  ['a payload that is no UTF-8', () => signRaw(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])), 401],
  ['a payload nested too deep', () => signRaw(`{"a":${'['.repeat(40)}${']'.repeat(40)}}`), 401],
  [
    'a prototype',
    () => signRaw(JSON.stringify({ sub: 'p' }).replace('{', `{"__proto__":{"exp":${inSeconds(300)}},`)),
    401,
  ],
  ['a token of 13 KB', () => sign({ filler: 'f'.repeat(9500) }), 401],
  ['somebody else with the same kid', async () => (await makeSigner('RS256', 'kid-RS256')).sign(good), 401],
  ['an unknown kid', () => signer().sign(good, { kid: 'kid-nobody' }), 401],
  ['alg none', () => withPart(0, encode('{"alg":"none","kid":"kid-RS256"}')), 401],
];

const tokenForms: [what: string, form: (token: string) => Headers, status: number][] = [
  ['a token without a scheme', (token) => ({ authorization: token }), 200],
  ['a token in x-api-key', (token) => ({ 'x-api-key': token }), 200],
  ['a token in two headers', (token) => ({ authorization: `Bearer ${token}`, 'api-key': token }), 200],
  ['a token and a key', (token) => ({ authorization: `Bearer ${token}`, 'api-key': 'digest-key' }), 400],
  ['a token twice', (token) => ({ 'x-api-key': [token, token] }), 400],
];

describe.each(variants)('$name: what is known and what is not', (variant) => {
  let gateway: Gateway;
  let jwksPath: string;

  beforeAll(async () => {
    for (const alg of ['RS256', 'ES256', 'EdDSA']) signers[alg] = await makeSigner(alg, `kid-${alg}`);
    jwksPath = join(mkdtempSync(join(tmpdir(), 'keygate-jwks-')), 'jwks.json');
    writeFileSync(jwksPath, jwksOf(...Object.values(signers)));
    const guard = serverGuard(variant);
    gateway = await startGateway({
      variant,
      keys: keyFile.join(''),
      env: {
        JWKS_PATH: jwksPath,
        JWT_ISSUER: 'https://issuer.example',
        JWT_AUDIENCE: 'one',
        MINT_ISSUER: 'https://mint.example',
      },
      edit: { 'nginx.conf': (conf) => conf.replace(guard, `${guard}\n${locations(variant)}`) },
    });
    writeFileSync(join(dirname(gateway.keysFile), 'denied.txt'), 'jti:denied\n');
    const isDenied = async () => (await askUnknown(bearer(await sign({ jti: 'denied' })))).reason;
    await vi.waitFor(async () => expect(await isDenied()).toBe('token_revoked'), 20000);
  });

  afterAll(() => gateway?.stop());

  let asked = 0;
  // What a client and the upstream see, and the reason in the log.
  const ask = async (path: string, headers: Headers) => {
    gateway.upstream.arrived.length = 0;
    const id = `asked-${asked++}`;
    const answer = await gateway.send(`${path}x`, { headers: { ...headers, 'x-request-id': id } });
    const seen = gateway.upstream.arrived[0]?.headers;
    const logged = () =>
      gateway
        .accessLog()
        .split('\n')
        .find((one) => one.includes(`"request_id":"${id}"`));
    await vi.waitFor(() => expect(logged()).toBeDefined(), 20000);
    const reason = /"reason":"(\w*)"/.exec(logged() as string)?.[1];
    const challenge = answer.headers['www-authenticate'];
    const user = [seen?.['x-auth-user'], seen?.['x-auth-issuer'], seen?.['x-auth-method']];
    return { status: answer.status, body: answer.body, challenge, reason, user };
  };
  const askUnknown = (headers: Headers) => ask(`/unknown${asked}/`, headers);

  const expectEqual = async (headers: Headers) => {
    const unknown = await askUnknown(headers);
    for (let i = 0; i < 3; i++) expect(await ask('/known/', headers)).toEqual(unknown);
    return unknown;
  };

  const open = async () => {
    expect(await ask('/known/', { 'x-api-key': 'opener-key' })).toMatchObject({
      user: ['opener', undefined, 'api_key'],
    });
    for (const name of Object.keys(signers)) {
      const answer = await ask('/known/', bearer(await sign({ sub: 'opener' }, name)));
      expect(answer).toMatchObject({ status: 200, user: ['opener', 'https://issuer.example', 'jwt'] });
    }
  };

  it.each(keys)('are answered alike: %s', async (_, headers, expected) => {
    await open();
    const { status, user, reason } = await expectEqual(headers);
    expect(status === 200 ? user[0] : status, reason).toBe(expected);
  });

  it.each(tokens)('are answered alike: %s', async (_, make, expected) => {
    await open();
    const { status, user, reason } = await expectEqual(bearer(await make()));
    expect(status, reason).toBe(expected);
    expect(user[2]).toBe(expected === 200 ? 'jwt' : undefined);
  });

  it.each(tokenForms)('are answered alike: %s', async (_, form, expected) => {
    await open();
    const { status, reason } = await expectEqual(form(await sign({ sub: 'bob' })));
    expect(status, reason).toBe(expected);
  });

  it('takes a minted token for what it is, whatever its header', async () => {
    const minted = await gateway.send('/token', { method: 'POST', headers: { 'x-api-key': 'opener-key' } });
    const token = minted.json()['token'] as string;
    await open();
    expect(await expectEqual(bearer(token))).toMatchObject({
      status: 200,
      user: ['opener', 'https://mint.example', 'jwt'],
    });
  });

  it('knows a key no longer within a second of its removal, and a new one', async () => {
    const status = async (key: string) => (await ask('/known/', { 'x-api-key': key })).status;
    await open();
    expect(await status('digest-key')).toBe(200);
    const others = keyFile.filter((one) => !one.startsWith('digest:'));
    writeFileSync(gateway.keysFile, others.join('') + line('new', 'new-key', models));
    await vi.waitFor(async () => expect(await status('new-key')).toBe(200), 20000);
    for (let i = 0; i < 3; i++) {
      expect(await status('digest-key')).toBe(401); // before and after its like is admitted again
      expect(await status('new-key')).toBe(200);
      await open();
    }
    writeFileSync(gateway.keysFile, keyFile.join(''));
  });

  it('ends when the key of tokens is taken away, and begins again with another of the same name', async () => {
    await open();
    const old = await sign({ sub: 'old' });
    const left = signer();
    signers['RS256'] = await makeSigner('RS256', 'kid-RS256');
    const statusOf = async (token: string) => (await ask('/known/', bearer(token))).status;
    expect(await statusOf(old)).toBe(200);
    writeFileSync(jwksPath, jwksOf(...Object.values(signers)));
    await vi.waitFor(async () => expect(await statusOf(await sign())).toBe(200), 20000);
    for (let i = 0; i < 3; i++) {
      expect(await statusOf(old)).toBe(401);
      expect(await statusOf(await left.sign(good))).toBe(401);
      expect(await statusOf(await sign({ sub: `new-${i}` }))).toBe(200);
    }
  });
});
