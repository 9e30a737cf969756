// A token that begins like one which a context has admitted: the short way of njs/token_shortcut.ts on QuickJS. It must
// come to what the whole decision comes to: a location is asked too whose settings are never the same, so that nothing
// is known there.

import { createHash } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { guardOf } from './harness/embedded.js';
import { startGateway, type Gateway } from './harness/gateway.js';
import { inSeconds, jwksOf, makeSigner, type Signer } from './harness/tokens.js';
import { variants, type Variant } from './harness/variants.js';

type Headers = { [name: string]: string };

const bearer = (token: string): Headers => ({ authorization: `Bearer ${token}` });
const encode = (text: string | Buffer) => Buffer.from(text).toString('base64url');
const signers: { [name: string]: Signer } = {};
const signer = (name = 'RS256') => signers[name] as Signer;

const locations = (variant: Variant) =>
  [
    ['/opened/', 'one'],
    ['~ ^/whole(\\d+)/', '"one,$1"'],
  ]
    .map(
      ([path, audience]) => `location ${path} { ${guardOf(variant)} set $keygate_jwt_audience ${audience};
        set $keygate_jwt_issuer "https://issuer.example,https://mint.example"; set $keygate_require_scope models;
        include keygate/proxy_headers.conf; proxy_pass http://keygate_upstream; }`,
    )
    .join('\n');

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
  ['a signature of another payload', async () => withPart(1, (await sign({ sub: 'mallory' })).split('.')[1] as string), 401],
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
  ['a prototype', () => signRaw(JSON.stringify({ sub: 'p' }).replace('{', `{"__proto__":{"exp":${inSeconds(300)}},`)), 401],
  ['a token of 13 KB', () => sign({ filler: 'f'.repeat(9500) }), 401],
  ['somebody else with the same kid', async () => (await makeSigner('RS256', 'kid-RS256')).sign(good), 401],
  ['an unknown kid', () => signer().sign(good, { kid: 'kid-nobody' }), 401],
  ['alg none', () => withPart(0, encode('{"alg":"none","kid":"kid-RS256"}')), 401],
]; // prettier-ignore

describe.each(variants)('$name: a token after another', (variant) => {
  let gateway: Gateway;
  let jwksPath: string;

  beforeAll(async () => {
    for (const alg of ['RS256', 'ES256', 'EdDSA']) signers[alg] = await makeSigner(alg, `kid-${alg}`);
    jwksPath = join(mkdtempSync(join(tmpdir(), 'keygate-jwks-')), 'jwks.json');
    writeFileSync(jwksPath, jwksOf(...Object.values(signers)));
    const key = `minter:$sha256$${createHash('sha256').update('minter-key').digest('base64url')} scope=models\n`;
    gateway = await startGateway({
      variant,
      keys: key,
      env: { JWKS_PATH: jwksPath, JWT_ISSUER: 'https://issuer.example', JWT_AUDIENCE: 'one', MINT_ISSUER: 'https://mint.example' },
      edit: {
        'nginx.conf': (conf) =>
          conf.replace('include keygate/server.conf;', `include keygate/server.conf;\n${locations(variant)}`),
      },
    }); // prettier-ignore
    writeFileSync(join(dirname(gateway.keysFile), 'denied.txt'), 'jti:denied\n');
    const isDenied = async () => (await askWhole(bearer(await sign({ jti: 'denied' })))).reason;
    await vi.waitFor(async () => expect(await isDenied()).toBe('token_revoked'), 8000);
  });

  afterAll(() => gateway?.stop());

  let asked = 0;
  // What a client and the upstream see, and the reason in the log.
  const ask = async (path: string, headers: Headers) => {
    gateway.upstream.arrived.length = 0;
    const id = `asked-${asked++}`;
    const answer = await gateway.send(`${path}x`, { headers: { ...headers, 'x-request-id': id } });
    const seen = gateway.upstream.arrived[0]?.headers;
    const line = () => gateway.accessLog().split('\n').find((one) => one.includes(`"request_id":"${id}"`)); // prettier-ignore
    await vi.waitFor(() => expect(line()).toBeDefined());
    const reason = /"reason":"(\w*)"/.exec(line() as string)?.[1];
    const challenge = answer.headers['www-authenticate'];
    const user = [seen?.['x-auth-user'], seen?.['x-auth-issuer'], seen?.['x-auth-method']];
    return { status: answer.status, body: answer.status === 200 ? '' : answer.body, challenge, reason, user };
  };

  const askWhole = (headers: Headers) => ask(`/whole${asked}/`, headers);

  const open = async () => {
    for (const name of Object.keys(signers)) {
      const answer = await ask('/opened/', bearer(await sign({ sub: 'opener' }, name)));
      expect(answer).toMatchObject({ status: 200, user: ['opener', 'https://issuer.example', 'jwt'] });
    }
  };

  it.each(tokens)('comes to the same for %s', async (_what, make, status) => {
    const headers = bearer(await make());
    await open();
    const byShortWay = await ask('/opened/', headers);
    expect(byShortWay.status, byShortWay.reason).toBe(status);
    if (status !== 200) expect(byShortWay).toEqual(await askWhole(headers));
    else expect(byShortWay.user[2]).toBe('jwt');
  });

  it('takes a minted token for what it is, whatever its header', async () => {
    const minted = await gateway.send('/token', { method: 'POST', headers: { 'x-api-key': 'minter-key' } });
    const token = minted.json()['token'] as string;
    for (let i = 0; i < 3; i++) {
      await open();
      const answer = await ask('/opened/', bearer(token));
      expect(answer).toMatchObject({ status: 200, user: ['minter', 'https://mint.example', 'jwt'] });
    }
  });

  it('ends when a key is taken away, and begins again with another of the same name', async () => {
    await open();
    const old = await sign({ sub: 'old' });
    const left = signer();
    signers['RS256'] = await makeSigner('RS256', 'kid-RS256');
    const statusOf = async (token: string) => (await ask('/opened/', bearer(token))).status;
    expect(await statusOf(old)).toBe(200);
    writeFileSync(jwksPath, jwksOf(...Object.values(signers)));
    await vi.waitFor(async () => expect(await statusOf(await sign())).toBe(200), 8000);
    for (let i = 0; i < 3; i++) {
      expect(await statusOf(old)).toBe(401);
      expect(await statusOf(await left.sign(good))).toBe(401);
      expect(await statusOf(await sign({ sub: `new-${i}` }))).toBe(200);
    }
  });
});
