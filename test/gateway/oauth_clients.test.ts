// A client of MCP that has no token yet, at a real nginx: the challenge and the metadata say where to get one.

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { extractWWWAuthenticateParams } from '@modelcontextprotocol/sdk/client/auth.js';
import { ClientCredentialsProvider } from '@modelcontextprotocol/sdk/client/auth-extensions.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, fetch as fetchOfUndici } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEmbedded } from './harness/embedded.js';
import { startGateway, type Gateway } from './harness/gateway.js';
import { jwksOf, makeSigner, type Signer } from './harness/tokens.js';
import { startUpstream, type Arrived, type Conduct, type TestUpstream } from './harness/upstream.js';
import { variants } from './harness/variants.js';

const key = 'key-without-a-scope';
const resource = 'https://mcp.example/mcp';
const issuer = 'https://login.example';
const wellKnown = '/.well-known/oauth-protected-resource';
const metadata = `resource_metadata="https://mcp.example${wellKnown}/mcp"`;

const json = (body: object): Conduct => ({
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});

/** A server of MCP behind the gateway: its handshake, and no tools. */
function serveMcp({ method, body }: Arrived): Conduct {
  if (method !== 'POST') return { status: 405 };
  const { id, method: asked } = JSON.parse(body.toString()) as { id?: number; method: string };
  if (id === undefined) return { status: 202, body: '' };
  const initialized = {
    protocolVersion: '2025-06-18',
    capabilities: { tools: {} },
    serverInfo: { name: 'test', version: '1' },
  };
  return json({ jsonrpc: '2.0', id, result: asked === 'initialize' ? initialized : { tools: [] } });
}

/** An authorization server that first gives less than it is asked for. */
async function startIssuer(signer: Signer): Promise<TestUpstream & { asked: URLSearchParams[] }> {
  const asked: URLSearchParams[] = [];
  const tokens: string[] = [];
  for (const scope of ['mcp', 'mcp tools']) tokens.push(await signer.sign({ iss: issuer, aud: resource, scope }));
  const server = await startUpstream({}, ({ target, body }) => {
    if (target === '/token') {
      asked.push(new URLSearchParams(body.toString()));
      return json({ access_token: tokens[Math.min(asked.length, 2) - 1], token_type: 'Bearer', expires_in: 300 });
    }
    if (target !== '/.well-known/oauth-authorization-server') return { status: 404 };
    return json({
      issuer,
      authorization_endpoint: `${issuer}/authorize`,
      token_endpoint: `${issuer}/token`,
      response_types_supported: ['code'],
      grant_types_supported: ['client_credentials'],
      token_endpoint_auth_methods_supported: ['client_secret_basic'],
      code_challenge_methods_supported: ['S256'],
    });
  });
  return Object.assign(server, { asked });
}

describe.each(variants)('$name: OAUTH_RESOURCE', (variant) => {
  let gateway: Gateway;
  let upstream: TestUpstream;
  let signer: Signer;

  beforeAll(async () => {
    upstream = await startUpstream({}, serveMcp);
    signer = await makeSigner('ES256', 'of-the-issuer');
    const jwksPath = join(mkdtempSync(join(tmpdir(), 'keygate-jwks-')), 'jwks.json');
    writeFileSync(jwksPath, jwksOf(signer));
    const trusted = { JWKS_PATH: jwksPath, JWT_ISSUER: `other,${issuer}`, JWT_AUDIENCE: resource };
    const env = { ...trusted, OAUTH_RESOURCE: resource, REQUIRE_SCOPE: 'mcp tools' };
    gateway = await startGateway({ variant, upstream, keys: `${key}\nother-key scope=mcp\n`, env });
  });

  afterAll(async () => {
    await gateway?.stop();
    await upstream?.close();
  });

  it('leads the client of the MCP SDK to a token, and to another after a 403', async () => {
    const server = await startIssuer(signer);
    const dispatcher = new Agent({ connect: { rejectUnauthorized: false } });
    const places = { [new URL(resource).origin]: gateway.url, [issuer]: server.url };
    const visited: string[] = [];
    const fetchThere = (url: string | URL, init?: object) => {
      const { origin, pathname } = new URL(url);
      visited.push(`${origin}${pathname}`);
      return fetchOfUndici(`${places[origin]}${pathname}`, { ...init, dispatcher });
    };
    const authProvider = new ClientCredentialsProvider({
      clientId: 'agent',
      clientSecret: 'secret',
      expectedIssuer: issuer,
    });
    const transport = new StreamableHTTPClientTransport(new URL(resource), {
      authProvider,
      fetch: fetchThere as unknown as typeof fetch,
    });
    const client = new Client({ name: 'test', version: '1' });
    await client.connect(transport as Transport);
    expect(await client.listTools()).toEqual({ tools: [] });
    await client.close();
    expect(visited).toContain(`https://mcp.example${wellKnown}/mcp`);
    expect(visited).toContain(`${issuer}/.well-known/oauth-authorization-server`);
    // Twice, since the first token lacks a scope. This way in takes no scope from a challenge; the next test has it.
    expect(server.asked.map((one) => one.get('resource'))).toEqual([resource, resource]);
    await server.close();
    await dispatcher.close();
  });

  it('has challenges that the MCP SDK reads: all scopes that are needed, where a token lacks one', async () => {
    const read = async (headers: { [name: string]: string }) => {
      const challenge = (await gateway.send('/mcp', { headers })).headers['www-authenticate'] as string;
      return extractWWWAuthenticateParams(new Response('', { headers: { 'www-authenticate': challenge } }));
    };
    const resourceMetadataUrl = new URL(`https://mcp.example${wellKnown}/mcp`);
    const needed = { resourceMetadataUrl, scope: 'mcp tools' };
    expect(await read({})).toEqual({ ...needed, error: undefined });
    expect(await read({ 'x-api-key': 'wrong' })).toEqual({ ...needed, error: 'invalid_token' });
    expect(await read({ 'x-api-key': 'other-key' })).toEqual({ ...needed, error: 'insufficient_scope' });
  });

  it.each([wellKnown, `${wellKnown}/mcp`, `${wellKnown}?resource=x`])(
    'answers %s with the metadata, to anybody, whatever the Host',
    async (path) => {
      for (const sent of [{}, { host: 'evil.example', 'x-forwarded-host': 'evil.example' }, { 'x-api-key': 'wrong' }]) {
        const answer = await gateway.send(path, { headers: { ...sent } });
        expect(answer.status, gateway.errorLog()).toBe(200);
        expect(JSON.parse(answer.body)).toEqual({
          resource,
          authorization_servers: [issuer],
          scopes_supported: ['mcp', 'tools'],
          bearer_methods_supported: ['header'],
        });
        expect(answer.headers).toMatchObject({
          'content-type': 'application/json',
          'cache-control': 'public, max-age=300',
          'access-control-allow-origin': '*',
          'x-request-id': expect.any(String) as string,
        });
      }
    },
  );

  it('answers a preflight and a HEAD, no other method, and no other path', async () => {
    const status = async (method: string, path: string) => (await gateway.send(path, { method })).status;
    expect(await status('OPTIONS', `${wellKnown}/mcp`)).toBe(204);
    expect(await status('HEAD', wellKnown)).toBe(200);
    expect(await status('POST', wellKnown)).toBe(405);
    for (const path of ['/', '/mc', '/mcp/', '/mcp/x', '/..', 'x'])
      expect(await status('GET', wellKnown + path), path).toBe(401);
    expect(await status('GET', `${wellKnown}/%6dcp`)).toBe(404);
  });

  it.each([
    ['nothing', {}, 401, `Bearer realm="keygate", ${metadata}, scope="mcp tools"`],
    ['a wrong key', { 'x-api-key': 'wrong' }, 401, `Bearer realm="keygate", ${metadata}, error="invalid_token", `],
    [
      'a key without a scope',
      { 'x-api-key': key },
      403,
      `Bearer realm="keygate", ${metadata}, error_description="It lacks mcp tools.", error="insufficient_scope", ` +
        'scope="mcp tools"',
    ],
    [
      'a key with one of the scopes',
      { 'x-api-key': 'other-key' },
      403,
      `Bearer realm="keygate", ${metadata}, error_description="It lacks tools.", error="insufficient_scope", ` +
        'scope="mcp tools"',
    ],
  ])('challenges %s', async (_, sent, status, challenge) => {
    for (let i = 0; i < 2; i++) {
      const answer = await gateway.send('/mcp', { headers: { ...sent } });
      expect([answer.status, answer.headers['www-authenticate']]).toEqual([status, expect.stringContaining(challenge)]);
    }
  });
});

describe.each(variants)('$name: the longest challenge', (variant) => {
  it('fits a verdict, with and without a principal', async () => {
    const scopes = Array.from({ length: 32 }, (_, i) => `scope-number-${i}`.padEnd(15, 'x'));
    const longest = `https://${'h'.repeat(60)}.example/${'p'.repeat(83)}`;
    expect(longest).toHaveLength(160);
    const gateway = await startGateway({
      variant,
      keys: `${'n'.repeat(200)}:$sha256$nothing\n${key} scope=${scopes.slice(5).join(',')}\n`,
      env: { OAUTH_RESOURCE: longest, OAUTH_SERVERS: issuer, REQUIRE_SCOPE: scopes.join(' ') },
    });
    const ids = Object.fromEntries(
      ['session', 'agent', 'parent-agent'].map((name) => [`x-claude-code-${name}-id`, 'b'.repeat(70)]),
    );
    const headers = {
      'x-request-id': 'r'.repeat(128),
      traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
      ...ids,
    };
    const send = (sent: object) => gateway.send(`/${'p'.repeat(400)}`, { headers: { ...headers, ...sent } });
    const [none, wrong, lacking] = [
      await send({}),
      await send({ 'x-api-key': 'wrong' }),
      await send({ 'x-api-key': key }),
    ];
    expect(
      [none, wrong, lacking].map(({ status }) => status),
      gateway.errorLog(),
    ).toEqual([401, 401, 403]);
    for (const { headers: answered } of [none, wrong, lacking])
      expect(answered['www-authenticate']).toContain(`scope="${scopes.join(' ')}"`);
    expect(lacking.headers['www-authenticate']).toContain(
      `error_description="It lacks ${scopes.slice(0, 5).join(' ')}."`,
    );
    await gateway.stop();
  });
});

describe.each(variants)('$name: the metadata of an operator', (variant) => {
  it('are those of each location', async () => {
    const pass = 'include keygate/proxy_headers.conf; proxy_pass http://app;';
    const settings = (path: string) =>
      `set $keygate_oauth_resource https://api.example${path}; set $keygate_require_scope s${path.slice(1)};
       set $keygate_oauth_servers "https://one.example, https://two.example";`;
    const metadataOf = (path: string) =>
      `location = ${wellKnown}${path} { ${settings(path)} include keygate/resource_metadata.conf; }`;
    const gateway = await startEmbedded({
      variant,
      keys: `${key}\n`,
      server: `location /a { GUARD ${settings('/a')} ${pass} } location /b { GUARD ${settings('/b')} ${pass} }
        location /plain { GUARD ${pass} }
        location /bad { GUARD set $keygate_oauth_resource http://plain.example; ${pass} }
        ${metadataOf('/a')} ${metadataOf('/b')}
        location = ${wellKnown} { include keygate/resource_metadata.conf; }`,
    });
    for (const path of ['/a', '/b']) {
      expect(JSON.parse((await gateway.send(wellKnown + path)).body)).toEqual({
        resource: `https://api.example${path}`,
        authorization_servers: ['https://one.example', 'https://two.example'],
        scopes_supported: [`s${path.slice(1)}`],
        bearer_methods_supported: ['header'],
      });
      const challenge = (await gateway.send(path)).headers['www-authenticate'];
      expect(challenge).toContain(`resource_metadata="https://api.example${wellKnown}${path}"`);
    }
    expect((await gateway.send('/plain')).headers['www-authenticate']).toBe('Bearer realm="keygate"');
    expect((await gateway.send(wellKnown)).status).toBe(404);
    expect((await gateway.send('/bad', { headers: { 'x-api-key': key } })).status).toBe(500);
    expect(gateway.errorLog()).toContain('$keygate_oauth_resource: expected an https URL');
    await gateway.stop();
  });
});
