// An admin who has keys fetched as nginx would fetch them, from issuers that nearly have metadata.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ProviderEntry } from '../../../auth/provider_members.js';
import { parseProviders } from '../../../auth/providers.js';
import { loadKeys } from '../../../cli/providers/provider_keys.js';
import { readSettings } from '../../../settings/read.js';
import { makeAuthority } from '../../gateway/harness/issuer.js';
import { startProviderServer, type ProviderServer } from '../../gateway/harness/provider_server.js';
import { jwksOf, makeSigner, type Signer } from '../../gateway/harness/tokens.js';

const dir = mkdtempSync(join(tmpdir(), 'keygate-provider-keys-'));
const openId = '/.well-known/openid-configuration';
const oauth = '/.well-known/oauth-authorization-server';
let caFile = '';
let signer: Signer;
let server: ProviderServer;
let other: ProviderServer;

beforeAll(async () => {
  const authority = await makeAuthority();
  ({ caFile } = authority);
  writeFileSync(join(dir, 'token'), 'the-token');
  signer = await makeSigner('ES256', 'of-the-issuer');
  server = await startProviderServer(authority, 'localhost');
  other = await startProviderServer(authority, 'localhost');
});

afterAll(async () => {
  await server?.close();
  await other?.close();
  rmSync(dir, { recursive: true, force: true });
});

beforeEach(() => {
  for (const one of [server, other]) {
    one.asked.length = 0;
    for (const path of Object.keys(one.answers)) delete one.answers[path];
    one.serve(signer);
  }
});

const load = (changed: object) => {
  const entry = { name: 'corp', issuer: server.origin, audience: 'any', jwks: 'discover', ca: caFile, ...changed };
  const parsed = parseProviders(JSON.stringify({ providers: [entry] })) as { providers: ProviderEntry[] };
  const env = { STATE_DIR: dir, JWT_PROVIDERS: join(dir, 'providers.json'), JWKS_CA: caFile };
  return loadKeys(parsed.providers[0] as ProviderEntry, readSettings(env));
};
const kids = ({ jwks }: Awaited<ReturnType<typeof load>>) => jwks?.keys.map(({ kid }) => kid);

describe('loadKeys', () => {
  it('discovers by OpenID Connect first, and by OAuth where that is not there', async () => {
    expect(kids(await load({}))).toEqual(['of-the-issuer']);
    expect(server.asked).toEqual([openId, '/keys']);
    server.answers[oauth] = server.answers[openId] as string;
    delete server.answers[openId];
    const loaded = await load({});
    expect(loaded).toMatchObject({ fault: undefined, unverifiedMetadata: { issuer: server.origin } });
    expect(loaded.from).toEqual([server.origin + oauth, `${server.origin}/keys`]);
    expect(server.asked.slice(2)).toEqual([openId, oauth, '/keys']);
  });

  it.each<[string, ProviderServer['answers'][string]]>([
    ['a page', '<html>Sign in</html>'],
    ['metadata of another', '{"issuer":"https://evil.example","jwks_uri":"https://evil.example/keys"}'],
    ['a redirect', (_, response) => response.writeHead(302, { location: oauth }).end()],
    ['a failure', (_, response) => response.writeHead(503).end()],
    ['no answer', (_, response) => response.destroy()],
  ])('stops at %s, as nginx does: good metadata of OAuth would change nothing there', async (_, answer) => {
    server.answers[oauth] = server.answers[openId] as string;
    server.answers[openId] = answer;
    const loaded = await load({});
    expect([kids(loaded), loaded.from]).toEqual([undefined, [server.origin + openId]]);
    expect(loaded.fault).toContain(server.origin + openId);
    expect(server.asked).toEqual([openId]);
  });

  it.each(['https://localhost:99999/keys', 'https://1.2.3.999/'])(
    'has a fault, and no exception, for metadata that name %s',
    async (jwks_uri) => {
      server.answers[openId] = JSON.stringify({ issuer: server.origin, jwks_uri });
      expect((await load({ credential: 'token', ca: undefined })).fault).toContain('ERR_INVALID_URL');
    },
  );

  it('shows the credential where the sidecar would: to another host only where the entry has authorities', async () => {
    const seen: { [at: string]: string | undefined } = {};
    server.answers[openId] = JSON.stringify({ issuer: server.origin, jwks_uri: `${other.origin}/keys` });
    other.answers['/keys'] = ({ headers }, response) => {
      seen[String(Object.keys(seen).length)] = headers.authorization;
      response.end(jwksOf(signer));
    };
    expect(kids(await load({ credential: 'token' }))).toEqual(['of-the-issuer']);
    expect(kids(await load({ credential: 'token', ca: undefined }))).toEqual(['of-the-issuer']);
    expect(seen).toEqual({ 0: 'Bearer the-token', 1: undefined });
  });

  it('reads a file beside the providers file', async () => {
    writeFileSync(join(dir, 'keys.json'), jwksOf(signer));
    const loaded = await load({ jwks: { file: 'keys.json' }, ca: undefined });
    expect([kids(loaded), loaded.from]).toEqual([['of-the-issuer'], [join(dir, 'keys.json')]]);
    writeFileSync(join(dir, 'keys.json'), '{"keys":[]}');
    expect(await load({ jwks: { file: 'keys.json' }, ca: undefined })).toMatchObject({
      fault: 'no key that can be used',
    });
  });
});
