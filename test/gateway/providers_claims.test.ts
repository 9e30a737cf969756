// An upstream that goes by claims of a token: it gets those that the provider lists, and none that a client made up.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { guardOf, startEmbedded } from './harness/embedded.js';
import { startGateway, type Gateway } from './harness/gateway.js';
import { jwksOf, makeSigner, type Signer } from './harness/tokens.js';
import { describeAtOnce } from './harness/variants.js';

const soon = { timeout: 20000, interval: 100 };

let signer: Signer;
let dir: string;
const opened: (() => Promise<void>)[] = [];

beforeAll(async () => {
  signer = await makeSigner('ES256', 'one');
  dir = mkdtempSync(join(tmpdir(), 'keygate-providers-'));
  writeFileSync(join(dir, 'keys.json'), jwksOf(signer));
});

afterAll(async () => {
  await Promise.all(opened.map((close) => close()));
  rmSync(dir, { recursive: true, force: true });
});

const iss = 'https://idp.example';
const entry = {
  name: 'idp',
  issuer: iss,
  audience: 'any',
  jwks: { file: 'keys.json' },
  claims: ['email', 'tenant.id', 'https://x/level', 'plan', 'beta', 'object', 'deep', 'huge'],
};

function fileOf(name: string, changed: object = {}): string {
  const file = join(dir, `${name.replace(/\W/g, '-')}.json`);
  writeFileSync(file, JSON.stringify({ providers: [{ ...entry, ...changed }] }));
  return file;
}

const deep = (levels: number): unknown => (levels === 0 ? 'end' : { a: deep(levels - 1) });
const claims = {
  iss,
  email: 'ál@corp.example\r\nX-Evil: 1',
  tenant: { id: 'acme 7%' },
  'https://x/level': 3,
  plan: 'pro',
  beta: false,
  object: { a: 1 },
  deep: deep(10),
  huge: 'x'.repeat(257),
};

async function upstreamOf(gateway: Gateway, path: string, headers: { [name: string]: string }) {
  const answer = await gateway.send(path, { headers });
  const arrived = gateway.upstream.arrived.at(-1)?.headers ?? {};
  const told = Object.entries(arrived).filter(([name]) => /^x.auth.claim/i.test(name));
  return { status: answer.status, told: Object.fromEntries(told) };
}

const expected = {
  'x-auth-claim-tenant-id': 'acme%207%25',
  'x-auth-claim-https-x-level': '3',
  'x-auth-claim-plan': 'pro',
  'x-auth-claim-beta': 'false',
};

describeAtOnce('claims for the upstream', (variant) => {
  it('are sent where the provider lists them, encoded and bounded, and never as a client made them up', async () => {
    const env = { JWT_PROVIDERS: fileOf(`full ${variant.name}`) };
    const gateway = await startGateway({ variant, env, keys: 'plain\n', sidecar: false });
    opened.unshift(() => gateway.stop());
    const forged = { 'x-auth-claim-plan': 'max', 'x-auth-claim-huge': 'x', 'X_Auth-Claim_Plan': 'max' };
    const authorization = `Bearer ${await signer.sign(claims)}`;
    for (let i = 0; i < 3; i++)
      expect(await upstreamOf(gateway, '/v1/models', { authorization, ...forged })).toEqual({
        status: 200,
        told: expected,
      });
    const other = await signer.sign({ iss, email: 'al@corp.example' });
    expect(await upstreamOf(gateway, '/', { authorization: `Bearer ${other}`, ...forged })).toEqual({
      status: 200,
      told: { 'x-auth-claim-email': 'al@corp.example' },
    });
    expect(await upstreamOf(gateway, '/', { 'x-api-key': 'plain', ...forged })).toEqual({ status: 200, told: {} });
    const long = 'x'.repeat(256);
    const names = ['email', 'https://x/level', 'plan', 'beta', 'object', 'deep', 'huge'];
    const most = Object.fromEntries(names.map((name) => [name, long]));
    const token = await signer.sign({ iss, sub: long, tenant: { id: long }, ...most });
    const { status, told } = await upstreamOf(gateway, '/', { authorization: `Bearer ${token}` });
    expect([status, ...Object.values(told)]).toEqual([200, ...Array<string>(8).fill(long)]);
  }, 60000);

  it('want a restart when the list changes: until then a new one is not sent, and the log says so', async () => {
    const name = `changed ${variant.name}`;
    const env = { JWT_PROVIDERS: fileOf(name, { claims: ['plan'] }) };
    const gateway = await startGateway({ variant, env, keys: 'plain\n', sidecar: false });
    opened.unshift(() => gateway.stop());
    fileOf(name, { claims: ['plan', 'beta'], audience: ['llm'] });
    await vi.waitFor(() => expect(gateway.errorLog()).toContain('the upstream gets none: beta'), soon);
    const authorization = `Bearer ${await signer.sign({ ...claims, aud: 'llm' })}`;
    expect(await upstreamOf(gateway, '/', { authorization })).toEqual({
      status: 200,
      told: { 'x-auth-claim-plan': 'pro' },
    });
  }, 60000);

  it('are refused from clients where identity headers are', async () => {
    const env = { JWT_PROVIDERS: fileOf(`embedded ${variant.name}`) };
    const server = `location / { ${guardOf(variant)} include keygate/proxy_headers.conf; proxy_pass http://app; }`;
    const gateway = await startEmbedded({ variant, env, keys: 'plain\n', sidecar: false, server });
    opened.unshift(() => gateway.stop());
    const authorization = `Bearer ${await signer.sign(claims)}`;
    expect(await upstreamOf(gateway, '/', { authorization })).toEqual({ status: 200, told: expected });
    for (const value of ['max', '0'])
      expect((await gateway.send('/', { headers: { authorization, 'x-auth-claim-plan': value } })).status).toBe(400);
  }, 60000);
});
