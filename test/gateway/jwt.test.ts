// A client with tokens of every algorithm at a real nginx, and an attacker who forges them.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startGateway, type Gateway } from './harness/gateway.js';
import { inSeconds, jwksOf, makeSigner, type Signer } from './harness/tokens.js';
import { variants } from './harness/variants.js';

const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];

describe.each(variants)('$name: JWT', (variant) => {
  let gateway: Gateway;
  const signers: { [alg: string]: Signer } = {};
  const signer = (alg = 'RS256') => signers[alg] as Signer;

  beforeAll(async () => {
    for (const alg of algorithms) signers[alg] = await makeSigner(alg, `kid-${alg}`);
    const jwksPath = join(mkdtempSync(join(tmpdir(), 'keygate-jwks-')), 'jwks.json');
    const oct = { kty: 'oct', k: 'c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0', kid: 'kid-oct', alg: 'HS256' };
    const misfit = { kty: 'RSA', kid: 'kid-misfit', alg: 'ES256', n: signer().publicJwk.n, e: 'AQAB' };
    const keys = [...Object.values(signers).map((one) => one.publicJwk), oct, misfit];
    writeFileSync(jwksPath, JSON.stringify({ keys }));
    gateway = await startGateway({
      variant,
      env: { JWKS_PATH: jwksPath, JWT_ISSUER: 'https://issuer.example', JWT_AUDIENCE: 'one,two' },
      keys: '# none\n',
    });
  });

  afterAll(() => gateway?.stop());

  it.each(algorithms)('admits a token signed with %s and tells the upstream who it is', async (alg) => {
    gateway.upstream.arrived.length = 0;
    const token = await signer(alg).sign({ aud: ['x', 'two'], sub: 'Zoë 100%' });
    for (let i = 0; i < 2; i++) {
      const answer = await gateway.send('/v1/models', bearer(token));
      expect(answer.status, answer.body + gateway.errorLog()).toBe(200);
    }
    for (const { headers } of gateway.upstream.arrived) {
      expect(headers).toMatchObject({
        'x-auth-user': 'Zo%C3%AB%20100%25',
        'x-auth-issuer': 'https://issuer.example',
        'x-auth-method': 'jwt',
      });
      expect(headers).not.toHaveProperty('authorization');
    }
  });

  it.each([
    ['token_expired', { exp: inSeconds(-31) }, {}],
    ['token_not_yet_valid', { nbf: inSeconds(600) }, {}],
    ['token_issued_in_future', { iat: inSeconds(600) }, {}],
    ['token_audience', { aud: 'three' }, {}],
    ['token_issuer', { iss: 'https://elsewhere.example' }, {}],
    ['token_confirmation', { cnf: { jkt: 'x' } }, {}],
    ['token_subject', { sub: 'a\r\nX-Evil: 1' }, {}],
    ['token_typ', {}, { typ: 'dpop+jwt' }],
    ['token_unknown_kid', {}, { kid: 'nobody' }],
    ['token_no_fitting_key', {}, { kid: 'kid-ES256' }],
    ['token_signature', {}, { kid: 'kid-RS256' }],
  ])('refuses with %s', async (reason, claims, header) => {
    const sign = reason === 'token_signature' ? await makeSigner('RS256', 'kid-RS256') : signer();
    const token = await sign.sign({ aud: 'one', ...claims }, header);
    const answer = await gateway.send('/v1/models', bearer(token));
    expect(answer.status, answer.body).toBe(401);
    expect(answer.json().error).toMatchObject({ type: 'authentication_error', code: 'invalid_token' });
    expect(answer.headers['www-authenticate']).toMatch(/^Bearer realm="keygate", error="invalid_token", /);
    await expect.poll(() => gateway.accessLog()).toContain(`"reason":"${reason}"`);
  });

  it('refuses tokens without exp, with alg none, and signed with the public key as HMAC secret', async () => {
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const claims = encode({ sub: 'alice', iss: 'https://issuer.example', aud: 'one', exp: inSeconds(60) });
    const { createHmac } = await import('node:crypto');
    const hmacHeader = encode({ alg: 'HS256', kid: 'kid-RS256' });
    const publicKey = JSON.stringify(signer().publicJwk);
    const mac = createHmac('sha256', publicKey).update(`${hmacHeader}.${claims}`).digest('base64url');
    const octHeader = encode({ alg: 'HS256', kid: 'kid-oct' });
    const octMac = createHmac('sha256', Buffer.from('secret-secret-secret-secret')).update(`${octHeader}.${claims}`);
    const tokens = [
      await signer().sign({ aud: 'one', exp: undefined } as never),
      `${encode({ alg: 'none' })}.${claims}.x`,
      `${encode({ alg: 'none', kid: 'kid-RS256' })}.${claims}.`,
      `${hmacHeader}.${claims}.${mac}`,
      `${octHeader}.${claims}.${octMac.digest('base64url')}`,
    ];
    for (const token of tokens) expect((await gateway.send('/', bearer(token))).status, token).toBe(401);
  });

  it('serves a token of 12 KB and refuses a longer one', async () => {
    const legal = await signer().sign({ aud: 'one', pad: 'x'.repeat(8500) });
    expect(legal.length).toBeGreaterThan(11000);
    expect((await gateway.send('/', bearer(legal))).status).toBe(200);
    const long = await signer().sign({ aud: 'one', pad: 'x'.repeat(10000) });
    expect((await gateway.send('/', bearer(long))).status).toBe(401);
  });

  it('takes up a new JWKS within a second, and keeps the last good one while the file is broken', async () => {
    const path = jwksPathOf(gateway);
    const good = readFileSync(path, 'utf8');
    const fresh = await makeSigner('ES256', 'kid-fresh');
    const token = await fresh.sign({ aud: 'one' });
    expect((await gateway.send('/', bearer(token))).status).toBe(401);
    writeFileSync(path, jwksOf(signer(), fresh));
    const become = (status: number) =>
      vi.waitFor(async () => expect((await gateway.send('/', bearer(token))).status).toBe(status), 10000);
    await become(200);
    writeFileSync(path, good.slice(0, 200));
    const fault = /JWKS_PATH \S+: not a JSON object with an array "keys"; keys loaded before stay in use/;
    await vi.waitFor(() => expect(gateway.errorLog()).toMatch(fault), 10000);
    expect((await gateway.send('/', bearer(token))).status).toBe(200);
    expect((await gateway.send('/health/ready')).json()).toMatchObject({ status: 'degraded' });
    writeFileSync(path, good);
    await become(401);
    expect((await gateway.send('/health/ready')).json()).toMatchObject({ status: 'ok' });
  });

  it('refuses a jti and a kid of the deny list within a second, cached verdicts included', async () => {
    const denied = join(gateway.stateDir, 'keys', 'denied.txt');
    const [revoked, ofRevokedKey, other] = await Promise.all([
      signer().sign({ aud: 'one', jti: 'revoked-1' }),
      signer('ES384').sign({ aud: 'one' }),
      signer().sign({ aud: 'one', jti: 'revoked-2' }),
    ]);
    const statuses = async () => {
      const answers = await Promise.all(
        [revoked, ofRevokedKey, other].map((token) => gateway.send('/', bearer(token))),
      );
      return answers.map((answer) => answer.status);
    };
    const become = (expected: number[]) => vi.waitFor(async () => expect(await statuses()).toEqual(expected), 10000);
    await become([200, 200, 200]);
    writeFileSync(denied, '# taken back\njti:revoked-1\nkid:kid-ES384\nnonsense\n');
    await become([401, 401, 200]);
    for (const reason of ['token_revoked', 'token_kid_denied'])
      await expect.poll(() => gateway.accessLog()).toContain(`"reason":"${reason}"`);
    expect(gateway.errorLog()).toContain('denied.txt: line 4: expected jti:VALUE or kid:VALUE');
    for (const lost of [() => writeFileSync(denied, ''), () => rmSync(denied)]) {
      lost();
      await new Promise((resolve) => setTimeout(resolve, 1000));
      expect(await statuses()).toEqual([401, 401, 200]); // what was denied stays denied
      expect((await gateway.send('/health/ready')).json()).toMatchObject({ status: 'degraded' });
    }
    writeFileSync(denied, '# none\n');
    await become([200, 200, 200]);
    expect((await gateway.send('/health/ready')).json()).toMatchObject({ status: 'ok' });
  });

  it('reports the keys that it does not use by place and kid', () => {
    expect(gateway.errorLog()).toContain('(kid kid-oct): a symmetric key is never used here');
    expect(gateway.errorLog()).toContain('(kid kid-misfit): alg does not fit kty and crv');
    expect(gateway.errorLog()).not.toContain('exited on signal');
  });
});

function jwksPathOf(gateway: Gateway): string {
  const conf = readFileSync(join(gateway.dir, 'nginx', 'keygate', 'settings.conf'), 'utf8');
  return /\$keygate_jwks_path "([^"]+)"/.exec(conf)?.[1] ?? '';
}
