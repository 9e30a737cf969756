// A client behind Cloudflare Access, whose token comes in a header of its own, and an OAuth client that asks who gives
// tokens: both go by the providers' file alone.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { startEmbedded } from './harness/embedded.js';
import { startGateway, type Gateway } from './harness/gateway.js';
import { jwksOf, makeSigner, type Signer } from './harness/tokens.js';
import { describeAtOnce } from './harness/variants.js';

const soon = { timeout: 20000, interval: 100 };
const issuer = 'https://corp.cloudflareaccess.com';
const header = 'Cf-Access-Jwt-Assertion';

let signer: Signer;
let dir: string;
let token: string;
const opened: (() => Promise<void>)[] = [];

beforeAll(async () => {
  signer = await makeSigner('ES256', 'one');
  dir = mkdtempSync(join(tmpdir(), 'keygate-providers-'));
  writeFileSync(join(dir, 'keys.json'), jwksOf(signer));
  token = await signer.sign({ iss: issuer, aud: 'llm', sub: '', common_name: 'service.access' });
});

afterAll(async () => {
  await Promise.all(opened.map((close) => close()));
  rmSync(dir, { recursive: true, force: true });
});

const access = {
  name: 'access',
  issuer,
  audience: 'llm',
  subject: ['email', 'common_name'],
  jwks: { file: 'keys.json' },
};

function fileOf(name: string, ...entries: object[]): string {
  const file = join(dir, `${name.replace(/\W/g, '-')}.json`);
  writeFileSync(file, JSON.stringify({ providers: entries }));
  return file;
}

async function arrivedAt(gateway: Gateway, path: string, headers: { [name: string]: string }) {
  gateway.upstream.arrived.length = 0;
  const { status } = await gateway.send(path, { headers });
  return { status, headers: gateway.upstream.arrived[0]?.headers ?? {} };
}

describeAtOnce("the header of a provider's tokens", (variant) => {
  it('is read without a further setting, and kept from the upstream', async () => {
    const env = { JWT_PROVIDERS: fileOf(`full ${variant.name}`, { ...access, header }) };
    const gateway = await startGateway({ variant, env, keys: 'plain\n', sidecar: false });
    opened.unshift(() => gateway.stop());
    for (let i = 0; i < 2; i++) {
      const { status, headers } = await arrivedAt(gateway, '/', { [header]: token, Cf_Access_Jwt_Assertion: token });
      expect([status, headers['x-auth-user']], gateway.errorLog()).toEqual([200, 'service.access']);
      expect(JSON.stringify(headers)).not.toContain(token);
    }
    expect((await arrivedAt(gateway, '/', { [header]: `${token}x` })).status).toBe(401);
    expect((await arrivedAt(gateway, '/', { [header]: token, 'x-api-key': 'plain' })).status).toBe(400);
    const beside = { ...access, name: 'beside', issuer: 'https://beside.example' };
    fileOf(`full ${variant.name}`, { ...access, header }, { ...beside, header: 'X-Beside' });
    await vi.waitFor(
      () =>
        expect(gateway.errorLog()).toContain(
          'JWT_PROVIDERS: its headers are cf-access-jwt-assertion,x-beside, and nginx still reads ' +
            'cf-access-jwt-assertion: restart Keygate, or run `keygate install` and reload nginx',
        ),
      soon,
    );
    expect((await arrivedAt(gateway, '/', { 'X-Beside': token })).status).toBe(401);
  }, 60000);

  it('is read beside those of CREDENTIAL_HEADERS, also in locations of an operator', async () => {
    const path = fileOf(`embedded ${variant.name}`, { ...access, header });
    const pass = 'include keygate/proxy_headers.conf; proxy_pass http://app;';
    const gateway = await startEmbedded({
      variant,
      env: { JWT_PROVIDERS: path, CREDENTIAL_HEADERS: 'x-goog-api-key' },
      keys: 'plain\n',
      sidecar: false,
      edit: { 'keygate/settings.conf': (text) => text.replace(/(\$keygate_credential_headers) "[^"]*"/, '$1 ""') },
      server: `location /gemini/ { GUARD set $keygate_credential_headers x-goog-api-key; ${pass} }
        location /usual/ { GUARD ${pass} }
        location /same/ { GUARD set $keygate_credential_headers cf-access-jwt-assertion; ${pass} }`,
    });
    opened.unshift(() => gateway.stop());
    for (const at of ['/gemini/', '/usual/', '/same/'])
      expect((await arrivedAt(gateway, at, { [header]: token })).status, gateway.errorLog()).toBe(200);
    const goog = { 'x-goog-api-key': 'plain' };
    expect((await arrivedAt(gateway, '/gemini/', goog)).status).toBe(200);
    expect((await arrivedAt(gateway, '/usual/', goog)).status).toBe(401);
    const { status, headers } = await arrivedAt(gateway, '/usual/', { [header]: token, ...goog });
    expect([status, Object.keys(headers).filter((name) => /goog|cf-access/.test(name))]).toEqual([200, []]);
  }, 60000);
});

describeAtOnce('OAUTH_RESOURCE beside JWT_PROVIDERS', (variant) => {
  it('names the issuers of the providers that the location takes', async () => {
    const wellKnown = '/.well-known/oauth-protected-resource';
    const path = fileOf(`oauth ${variant.name}`, access, {
      ...access,
      name: 'two',
      issuer: ['https://two.example', 'two.example'],
    });
    const settings = 'set $keygate_oauth_resource https://api.example';
    const gateway = await startEmbedded({
      variant,
      env: { JWT_PROVIDERS: path, JWT_ISSUER: 'https://unnamed.example' },
      keys: 'plain\n',
      sidecar: false,
      server: `location = ${wellKnown}/all { ${settings}/all; include keygate/resource_metadata.conf; }
        location = ${wellKnown}/two { ${settings}/two; set $keygate_jwt_providers two;
          include keygate/resource_metadata.conf; }`,
    });
    opened.unshift(() => gateway.stop());
    const serversOf = async (name: string) => {
      const { body } = await gateway.send(`${wellKnown}/${name}`);
      return (JSON.parse(body) as { authorization_servers?: string[] }).authorization_servers;
    };
    const all = ['https://unnamed.example', issuer, 'https://two.example'];
    await vi.waitFor(async () => expect(await serversOf('all')).toEqual(all), soon);
    expect(await serversOf('two')).toEqual(['https://two.example']);
  }, 60000);
});
