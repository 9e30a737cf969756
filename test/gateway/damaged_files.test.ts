// An admin whose files were damaged by a power cut, or saved in another encoding: no refusal is lifted, no good token
// gets a 401 for our own failure, and the log says what is wrong.

import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, expect, it, vi } from 'vitest';
import { startGateway, type Gateway } from './harness/gateway.js';
import { jwksOf, makeSigner, type Signer } from './harness/tokens.js';
import { describeAtOnce } from './harness/variants.js';

const utf16 = (text: string) => Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text, 'utf16le')]);
const revoked = 'jti:revoked-1\n';
const counted = `${revoked}jti:revoked-2\n# lines above: 2\n`;

const damages: [string, Buffer, string][] = [
  ['NUL bytes in the place of a line', Buffer.from('\0'.repeat(14)), 'holds NUL bytes'],
  ['UTF-16', utf16(revoked), 'UTF-16'],
  ['UTF-16 behind UTF-8', Buffer.concat([Buffer.from(revoked), Buffer.from('jti:b', 'utf16le')]), 'holds NUL bytes'],
  ['bytes that are not UTF-8', Buffer.from('jti:revok\xe9d\n', 'latin1'), 'not UTF-8'],
  ['zero bytes', Buffer.alloc(0), 'zero bytes long'],
  ['a line lost above the count', Buffer.from(counted.replace(revoked, '')), 'counts 2 lines above it'],
  ['a line that was cut', Buffer.from('jt'), 'line 1: expected jti:VALUE or kid:VALUE'],
];

let signer: Signer;

beforeAll(async () => {
  signer = await makeSigner('ES256', 'one');
});

describeAtOnce('a damaged file', (variant) => {
  let gateway: Gateway;
  let jwksPath = '';

  const open = async (jwks: string | Buffer = jwksOf(signer), denied?: Buffer, rate = '5r/m') => {
    jwksPath = join(mkdtempSync(join(tmpdir(), 'keygate-jwks-')), 'jwks.json');
    writeFileSync(jwksPath, jwks);
    const keysDir = mkdtempSync(join(tmpdir(), 'keygate-keys-'));
    writeFileSync(join(keysDir, 'api_keys.txt'), 'good-key\n');
    if (denied !== undefined) writeFileSync(join(keysDir, 'denied.txt'), denied);
    const limits = { RATE_LIMIT_AUTH: rate, RATE_LIMIT_AUTH_BURST: '3' };
    const env = { JWKS_PATH: jwksPath, API_KEYS_FILE: join(keysDir, 'api_keys.txt'), ...limits };
    gateway = await startGateway({ variant, env: { ...env, JWT_ISSUER: 'https://issuer.example' } });
    return join(keysDir, 'denied.txt');
  };
  afterEach(() => gateway?.stop());

  const statusOf = async (jti: string) => {
    const headers = { authorization: `Bearer ${await signer.sign({ jti })}` };
    return (await gateway.send('/', { headers })).status;
  };
  const ready = async () =>
    (await gateway.send('/health/ready')).json() as unknown as { status: string; components: { jwks: string } };
  const untilLogged = (text: string) =>
    vi.waitFor(() => expect(gateway.errorLog()).toContain(text), { timeout: 20000, interval: 50 });

  it('in the place of the deny list lifts no refusal', async () => {
    const denied = await open(jwksOf(signer), Buffer.from(revoked), 'off');
    expect(await statusOf('revoked-1')).toBe(401);
    for (const [what, content, why] of damages) {
      writeFileSync(denied, content);
      await untilLogged(why);
      await vi.waitFor(async () => expect(await ready(), what).toMatchObject({ status: 'degraded' }), 20000);
      expect(await statusOf('revoked-1'), what).toBe(401);
      expect(await statusOf('another'), what).toBe(200);
      writeFileSync(denied, `# again\r${revoked}`);
      await vi.waitFor(async () => expect(await ready(), what).toMatchObject({ status: 'ok' }), 20000);
      expect(await statusOf('revoked-1'), `${what}: afterwards`).toBe(401);
    }
  }, 60000);

  it.each(damages.slice(0, 6))('with %s for a deny list from the start refuses tokens with 503', async (_, content) => {
    const denied = await open(jwksOf(signer), content);
    for (let i = 0; i < 8; i++) expect(await statusOf('revoked-1')).toBe(503);
    expect(await ready()).toMatchObject({ components: { jwks: 'failing' } });
    expect((await gateway.send('/', { headers: { 'x-api-key': 'good-key' } })).status).toBe(200);
    expect(gateway.errorLog()).toContain('tokens get 503');
    writeFileSync(denied, revoked);
    await vi.waitFor(async () => expect(await statusOf('another')).toBe(200), { timeout: 20000, interval: 50 });
    expect(await statusOf('revoked-1')).toBe(401);
  });

  it.each([
    ['without a key', '{"keys":[]}'],
    ['cut', jwksSlice()],
    ['in UTF-16', utf16('{"keys":[]}')],
    ['that is no JSON', '<html>'],
  ])('a key set %s from the start is our failure, and nobody is charged for it', async (_, content) => {
    await open(content);
    for (let i = 0; i < 12; i++) expect(await statusOf(`jti-${i}`)).toBe(503);
    expect(await ready()).toMatchObject({ components: { jwks: 'failing' } });
    expect(gateway.errorLog()).toContain('no key was loaded yet: tokens that need one get 503');
    const minted = await gateway.send('/token', { method: 'POST', headers: { 'x-api-key': 'good-key' } });
    expect(minted.status, 'no failure was counted').toBe(200);
    writeFileSync(jwksPath, Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from(jwksOf(signer))]));
    await vi.waitFor(async () => expect(await statusOf('later')).toBe(200), { timeout: 20000, interval: 50 });
  });

  it('a key set with a byte order mark is good from the start', async () => {
    await open(Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from(jwksOf(signer))]));
    expect(await statusOf('a')).toBe(200);
  });
});

function jwksSlice(): string {
  return '{"keys":[{"kty":"EC","crv":"P-256","x":"';
}
