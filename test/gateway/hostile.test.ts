// What an attacker sends: never admitted, never a 5xx, one log line each, no credential in any log.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rawStatus, sendRaw } from './harness/client.js';
import { startGateway, type Gateway } from './harness/gateway.js';
import { inSeconds, jwksOf, makeSigner, type Signer } from './harness/tokens.js';
import { variants } from './harness/variants.js';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const encode = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

describe.each(variants)('$name: hostile requests', (variant) => {
  let gateway: Gateway;
  let signer: Signer;

  beforeAll(async () => {
    signer = await makeSigner('ES256', 'kid-1');
    const jwksPath = join(mkdtempSync(join(tmpdir(), 'keygate-jwks-')), 'jwks.json');
    writeFileSync(jwksPath, jwksOf(signer));
    gateway = await startGateway({
      variant,
      keys: 'a-good-key\n',
      env: { JWKS_PATH: jwksPath, JWT_ISSUER: 'https://issuer.example' },
    });
  });

  afterAll(() => gateway?.stop());

  const ask = (header: string) =>
    sendRaw(gateway.url, `GET /x HTTP/1.1\r\nHost: localhost\r\n${header}\r\nConnection: close\r\n\r\n`);

  it.each([
    ['control bytes', 'x-api-key: secret\x01credential'],
    ['a delete byte', 'Authorization: Bearer secret\x7fcredential'],
    ['bytes that are not UTF-8', 'Authorization: Bearer secret\xff\xfecredential'],
    ['a surrogate in UTF-8', 'x-api-key: secret\xed\xa0\x80credential'],
    ['white space within', 'Authorization: Bearer secret credential'],
    ['a name of Object.prototype', 'x-api-key: constructor'],
    ['__proto__', 'x-api-key: __proto__'],
    ['only dots', 'Authorization: Bearer ..'],
    ['empty parts', 'Authorization: Bearer a..b'],
    ['broken base64url', 'Authorization: Bearer a+b.c/d.e=f'],
    ['100 dots', `Authorization: Bearer ${'.'.repeat(100)}`],
    ['12,289 bytes', `Authorization: Bearer secretcredential${'x'.repeat(12289)}`],
    ['a JWE', `Authorization: Bearer ${encode({ alg: 'RSA-OAEP', enc: 'A128GCM' })}.a.b.c.d`],
    ['Basic', 'Authorization: Basic c2VjcmV0OmNyZWRlbnRpYWw='],
    ['a Digest with quotes', 'Authorization: Digest username="secretcredential"'],
  ])('answers 401 to a credential with %s', async (_, header) => {
    const answer = await ask(header);
    expect(rawStatus(answer), answer).toBe(401);
    expect(answer).toContain('WWW-Authenticate: Bearer realm="keygate"');
    expect(answer).not.toContain('secret');
  });

  it.each([
    ['not JSON', 'nonsense', { sub: 'a' }],
    ['an array', [], { sub: 'a' }],
    ['null', 'null', { sub: 'a' }],
    ['a deep header', `{"alg":"ES256","kid":"kid-1","x":${'['.repeat(40)}${']'.repeat(40)}}`, { sub: 'a' }],
    ['alg as an array', { alg: ['ES256'], kid: 'kid-1' }, {}],
    ['alg none', { alg: 'none' }, {}],
    ['alg of another case', { alg: 'es256', kid: 'kid-1' }, {}],
    ['alg constructor', { alg: 'constructor', kid: 'kid-1' }, {}],
    ['kid as a number', { alg: 'ES256', kid: 1 }, {}],
    ['kid __proto__', { alg: 'ES256', kid: '__proto__' }, {}],
    ['kid of 8 KB', { alg: 'ES256', kid: 'k'.repeat(8000) }, {}],
    ['kid with a path', { alg: 'ES256', kid: '../../../../etc/passwd' }, {}],
    ['kid with line feeds', { alg: 'ES256', kid: 'a\r\nb\u0000' }, {}],
    ['crit', { alg: 'ES256', kid: 'kid-1', crit: ['exp'] }, {}],
    ['b64', { alg: 'ES256', kid: 'kid-1', b64: false }, {}],
    ['zip', { alg: 'ES256', kid: 'kid-1', zip: 'DEF' }, {}],
    ['a jwk of its own', { alg: 'ES256', jwk: {} }, {}],
    ['a payload that is not JSON', { alg: 'ES256', kid: 'kid-1' }, 'nonsense'],
    ['a deep payload', { alg: 'ES256', kid: 'kid-1' }, `{"a":${'{"a":'.repeat(2000)}1${'}'.repeat(2000)}}`],
  ])('answers 401 to a token with %s', async (_, header, payload) => {
    const answer = await ask(`Authorization: Bearer ${encode(header)}.${encode(payload)}.${'A'.repeat(86)}`);
    expect(rawStatus(answer), answer).toBe(401);
    expect(answer).toContain('"code":"invalid_token"');
  });

  it.each([
    ['r and s zero', Buffer.alloc(64)],
    [
      'r the order',
      Buffer.concat([
        Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex'),
        Buffer.alloc(32, 1),
      ]),
    ],
    ['63 bytes', Buffer.alloc(63, 1)],
    [
      'DER',
      Buffer.from(`3044${'02200102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20'.repeat(2)}`, 'hex'),
    ],
    ['nothing', Buffer.alloc(0)],
  ])('answers 401 to an ECDSA signature with %s', async (_, signature) => {
    const signed = await signer.sign();
    const token = `${signed.split('.').slice(0, 2).join('.')}.${signature.toString('base64url')}`;
    expect(rawStatus(await ask(`Authorization: Bearer ${token}`))).toBe(401);
  });

  it('answers 401 to base64url that is not canonical', async () => {
    const [header, payload, signature] = (await signer.sign()).split('.') as [string, string, string];
    const stray = signature.slice(0, -1) + String.fromCharCode(signature.charCodeAt(85) + 1);
    for (const token of [
      `${header}.${payload}.${stray}`,
      `${header}.${payload}.${signature}=`,
      `${header}=.${payload}.${signature}`,
    ]) {
      expect(rawStatus(await ask(`Authorization: Bearer ${token}`)), token).toBe(401);
    }
  });

  it('takes the last of doubled claims, as the engines do, and still checks it', async () => {
    const { createPrivateKey, sign } = await import('node:crypto');
    const { exportJWK } = await import('jose');
    const key = createPrivateKey({ key: (await exportJWK(signer.privateKey)) as never, format: 'jwk' });
    const payload = `{"sub":"a","iss":"https://issuer.example","exp":${inSeconds(60)},"exp":1}`;
    const text = `${encode({ alg: 'ES256', kid: 'kid-1' })}.${encode(payload)}`;
    const signature = sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' });
    expect(rawStatus(await ask(`Authorization: Bearer ${text}.${signature.toString('base64url')}`))).toBe(401);
  });

  it.each([
    ['a NUL in the target', 'GET /a\x00b HTTP/1.1\r\nHost: localhost\r\n\r\n'],
    ['a NUL in a header', 'GET / HTTP/1.1\r\nHost: localhost\r\nx-api-key: a\x00b\r\n\r\n'],
    ['two Hosts', 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'],
    ['no Host', 'GET / HTTP/1.1\r\n\r\n'],
    ['a folded header', 'GET / HTTP/1.1\r\nHost: localhost\r\nx-api-key: a\r\n b\r\n\r\n'],
    [
      'both lengths',
      'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['a path above the root', 'GET /../x HTTP/1.1\r\nHost: localhost\r\n\r\n'],
    ['a bad percent-encoding', 'GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n'],
  ])('answers 400 or 401 to %s', async (_, bytes) => {
    gateway.upstream.arrived.length = 0;
    const answer = await sendRaw(gateway.url, bytes, 1000);
    expect([400, 401], answer).toContain(rawStatus(answer));
    expect(gateway.upstream.arrived).toHaveLength(0);
  });

  it('still serves, has restarted no worker and has written no credential', async () => {
    expect((await gateway.send('/x', { headers: { 'x-api-key': 'a-good-key' } })).status).toBe(200);
    const logs = gateway.errorLog() + gateway.accessLog() + (gateway.sidecar?.log() ?? '');
    expect(logs).not.toContain('exited on signal');
    expect(logs).not.toContain('secret');
    expect(logs).not.toContain('a-good-key');
    expect(
      gateway
        .accessLog()
        .split('\n')
        .filter((line) => line !== '')
        .every((line) => JSON.parse(line) !== null),
    ).toBe(true);
  });
});
