// Rules 5 to 8 of docs/nginx-traps.md: a verdict holds for the very location it was reached in, under that
// location's settings, and identity is what the gateway says.

import { mkdtempSync, writeFileSync } from 'node:fs';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readFileSync } from 'node:fs';
import { hashSync } from '@node-rs/bcrypt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { testCertificate } from './harness/certificate.js';
import { guardOf, serverGuard } from './harness/embedded.js';
import { startGateway, type Gateway } from './harness/gateway.js';
import { freePort } from './harness/free_port.js';
import { jwksOf, makeSigner } from './harness/tokens.js';
import { startUpstream } from './harness/upstream.js';
import { variants, type Variant } from './harness/variants.js';

const key = 'key-of-the-locations';
const headers = { 'x-api-key': key };

// With auth_request the whole server is guarded, as in the full gateway.
const locations = (variant: Variant) => {
  const guard = variant.entry === 'access' ? guardOf(variant) : '';
  const open = 'include keygate/open.conf;';
  const pass = 'include keygate/proxy_headers.conf; proxy_pass http://keygate_upstream;';
  return `
    location /models/ { ${guard} set $keygate_require_scope models; ${pass} }
    location /chat/ { ${guard} set $keygate_require_scope chat; ${pass} }
    location /audience-a/ { ${guard} set $keygate_jwt_audience a; ${pass} }
    location /audience-b/ { ${guard} set $keygate_jwt_audience b; ${pass} }
    location /issuer-b/ { ${guard} set $keygate_jwt_issuer https://b.example; ${pass} }
    location /outer/ { ${guard} ${pass} location /outer/inner/ { ${pass} } }
    location /tab/ { ${guard} set $keygate_require_scope "a\\tb"; ${pass} }
    location /bad-hiding/ { ${guard} set $keygate_hide_token_route ""; ${pass} }
    location /bad-leeway/ { ${guard} set $keygate_jwt_leeway soon; ${pass} }
    location /open/ { ${open} ${pass} }
    location /own-headers/ { ${guard} proxy_set_header X-Own 1; ${pass} }
    location /first/ { ${guard} set $keygate_require_scope models; try_files /nothing @second; }
    location @second { ${guard} set $keygate_require_scope chat; ${pass} }
    location /to-open/ { ${guard} try_files /nothing @third; }
    location @third { ${open} ${pass} }
    location /jump/ { rewrite ^/jump/(.*)$ /chat/$1 last; }
    location /denied/ { ${guard} deny all; ${pass} }
    location /if/ { ${guard} if ($arg_x = 1) { set $unused 1; } ${pass} }
    location /only-get/ { ${guard} ${pass} limit_except GET { deny all; } }
    location /static/ { ${guard} alias /dev/; }
    location /accel/ { ${guard} include keygate/proxy_headers.conf; proxy_pass http://accel; }
    location /spoof/ { ${guard} ${pass} }
  `;
};

describe.each(variants)('$name: locations', (variant) => {
  let gateway: Gateway;

  beforeAll(async () => {
    const accel = await startUpstream({ 'x-accel-redirect': '/_keygate_sidecar/health' });
    gateway = await startGateway({
      variant,
      keys: `${key} scope=models\nboth-scopes-key scope=models,chat\n`,
      edit: {
        'nginx.conf': (conf) =>
          conf
            .replace(serverGuard(variant), `underscores_in_headers on; ${serverGuard(variant)} ${locations(variant)}`)
            .replace(
              'include gateway/upstream.conf;',
              `include gateway/upstream.conf; upstream accel { server ${new URL(accel.url).host}; }`,
            ),
      },
    });
  });

  afterAll(() => gateway?.stop());

  const status = async (path: string, sent: { [name: string]: string } = headers) =>
    (await gateway.send(path, { headers: sent })).status;

  it('judges each location by its own required scope, also with a cached verdict', async () => {
    for (let i = 0; i < 2; i++) {
      expect(await status('/models/x')).toBe(200);
      expect(await status('/chat/x')).toBe(403);
      expect(await status('/chat/x', { 'x-api-key': 'both-scopes-key' })).toBe(200);
    }
  });

  it('guards a nested location too', async () => {
    for (const path of ['/outer/x', '/outer/inner/x']) {
      gateway.upstream.arrived.length = 0;
      expect([await status(path, {}), await status(path, { 'x-api-key': 'wrong' })]).toEqual([401, 401]);
      expect(gateway.upstream.arrived).toEqual([]);
      expect(await status(path)).toBe(200);
    }
  });

  it('answers 500 location_not_configured where the settings of a location are wrong', async () => {
    gateway.upstream.arrived.length = 0;
    for (const path of ['/tab/x', '/bad-hiding/x', '/bad-leeway/x']) {
      const answer = await gateway.send(path, { headers });
      expect([path, answer.status, answer.json().error.code]).toEqual([path, 500, 'location_not_configured']);
    }
    expect(gateway.errorLog()).toContain('$keygate_jwt_leeway: expected 0 to 9999 seconds');
    expect(gateway.upstream.arrived).toHaveLength(0);
  });

  it('judges a redirected request under the settings of the location it arrives in', async () => {
    expect(await status('/first/x')).toBe(403);
    expect(await status('/first/x', { 'x-api-key': 'both-scopes-key' })).toBe(200);
    expect(await status('/jump/x')).toBe(403);
    expect(await status('/jump/x', { 'x-api-key': 'both-scopes-key' })).toBe(200);
    expect(await status('/jump/x', { 'x-api-key': 'wrong' })).toBe(401);
  });

  it('decides before a redirect leads to an open location', async () => {
    expect(await status('/to-open/x', { 'x-api-key': 'wrong' })).toBe(401);
    expect(await status('/to-open/x')).toBe(200);
  });

  it('leaves open locations open, and drops identity headers there too', async () => {
    gateway.upstream.arrived.length = 0;
    const spoofed = {
      ...headers,
      'x-auth-user': 'root',
      X_Auth_User: 'root',
      'X.Auth.User': 'root',
      'X-Auth_User': 'root',
    };
    expect(await status('/open/x', spoofed)).toBe(200);
    const names = Object.keys(gateway.upstream.arrived[0]?.headers ?? {});
    expect(names.filter((name) => /^x.auth.user$|api.key/.test(name))).toEqual([]);
  });

  it('overwrites identity headers in every spelling', async () => {
    gateway.upstream.arrived.length = 0;
    const spoofed = {
      ...headers,
      X_Auth_User: 'root',
      X_Auth_Method: 'jwt',
      'X.Auth.User': 'root',
      'X_Auth-Issuer': 'evil',
      'Api.Key': 'z',
    };
    expect(await status('/own-headers/x', spoofed)).toBe(200);
    const arrived = gateway.upstream.arrived[0]?.headers ?? {};
    expect(arrived).toMatchObject({ 'x-own': '1', 'x-auth-method': 'api_key' });
    expect(JSON.stringify(arrived)).not.toMatch(/root|evil|"jwt"|"[a-z._-]*key":/i);
  });

  it('takes underscores for dashes in the names of credential headers, and lets none through', async () => {
    gateway.upstream.arrived.length = 0;
    expect(await status('/spoof/x', { ...headers, X_Api_Key: 'other' })).toBe(400);
    expect(await status('/spoof/x', { ...headers, X_Api_Key: key })).toBe(400);
    expect(await status('/spoof/x', { ...headers, Api_Key: 'other' })).toBe(400);
    expect(gateway.upstream.arrived).toEqual([]);
    expect(await status('/spoof/x', { ...headers, Api_Key: key })).toBe(200);
    expect(JSON.stringify(gateway.upstream.arrived[0]?.headers)).not.toMatch(/"[a-z._-]*key":/i);
  });

  it("answers an operator's own deny with 403 forbidden", async () => {
    const answer = await gateway.send('/denied/x', { headers });
    expect(answer.status).toBe(403);
    expect(answer.json().error.code).toBe('forbidden');
  });

  it('works beside if and limit_except', async () => {
    expect(await status('/if/x?x=1')).toBe(200);
    expect(await status('/if/x?x=1', { 'x-api-key': 'wrong' })).toBe(401);
    expect(await status('/only-get/x')).toBe(200);
    expect(await status('/only-get/x', { 'x-api-key': 'wrong' })).toBe(401);
    gateway.upstream.arrived.length = 0;
    const posted = await gateway.send('/only-get/x', { method: 'POST', headers: { 'x-api-key': 'wrong' } });
    expect(posted.status).toBeGreaterThanOrEqual(400);
    expect(gateway.upstream.arrived).toHaveLength(0);
  });

  it('guards static files', async () => {
    expect(await status('/static/nothing-there', { 'x-api-key': 'wrong' })).toBe(401);
    expect(await status('/static/nothing-there')).toBe(404);
  });

  it('does not let an upstream send requests to internal locations', async () => {
    expect(await status('/accel/x')).toBe(404);
  });

  it.each(['/_keygate_ask', '/_keygate_sidecar/verify', '/_keygate_sidecar/token'])('hides %s', async (path) => {
    const answer = await gateway.send(path, { method: 'POST', headers, body: '{}' });
    expect(answer.status).toBe(404);
  });
});

describe.each(variants)('$name: locations and tokens', (variant) => {
  it('says nothing about a location with another audience or issuer from a cached verdict', async () => {
    const signer = await makeSigner('ES256', 'kid-1');
    const jwksPath = join(mkdtempSync(join(tmpdir(), 'keygate-jwks-')), 'jwks.json');
    writeFileSync(jwksPath, jwksOf(signer));
    const gateway = await startGateway({
      variant,
      keys: '# none\n',
      env: { JWKS_PATH: jwksPath, JWT_ISSUER: 'https://a.example' },
      edit: {
        'nginx.conf': (conf) =>
          conf
            .replace(serverGuard(variant), `${serverGuard(variant)} ${locations(variant)}`)
            .replace('http://accel', 'http://keygate_upstream'),
      },
    });
    const a = {
      headers: { authorization: `Bearer ${await signer.sign({ iss: 'https://a.example', aud: 'a' })}` },
    };
    for (let i = 0; i < 2; i++) {
      expect((await gateway.send('/audience-a/x', a)).status).toBe(200);
      expect((await gateway.send('/audience-b/x', a)).status).toBe(401);
      expect((await gateway.send('/issuer-b/x', a)).status).toBe(401);
    }
    await gateway.stop();
  });

  it("ignores where the full gateway's upstream would send a request", async () => {
    const upstream = await startUpstream({ 'x-accel-redirect': '/health' });
    const gateway = await startGateway({ variant, keys: `${key}\n`, upstream });
    expect((await gateway.send('/x', { headers })).body).toBe('upstream');
    await gateway.stop();
    await upstream.close();
  });

  it('verifies an https upstream by its name and refuses another', async () => {
    const { certificate, key: keyFile } = await testCertificate();
    const tls = { cert: readFileSync(certificate), key: readFileSync(keyFile) };
    const server = createHttpsServer(tls, (request, response) => response.end(`https ${request.headers.host}`));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const keys = `${key}\n`;
    const good = await startGateway({
      variant,
      keys,
      env: { UPSTREAM_URL: `https://localhost:${port}`, UPSTREAM_CA: certificate },
    });
    expect((await good.send('/x', { headers })).body).toBe(`https localhost:${port}`);
    await good.stop();
    const bad = await startGateway({
      variant,
      keys,
      env: { UPSTREAM_URL: `https://localhost:${port}`, UPSTREAM_CA: '/etc/ssl/certs/ca-certificates.crt' },
    });
    expect((await bad.send('/x', { headers })).status).toBe(502);
    await bad.stop();
    server.close();
  });

  it('reaches a sidecar over TCP with its secret, and the sidecar refuses without', async () => {
    const listen = `127.0.0.1:${await freePort()}`;
    const keys = `carol:${hashSync('hashed-key', 4)}\n`;
    const gateway = await startGateway({ variant, keys, env: { VERIFIER_LISTEN: listen } });
    expect((await gateway.send('/x', { headers: { 'x-api-key': 'hashed-key' } })).status).toBe(200);
    const answer = await fetch(`http://${listen}/verify`, {
      method: 'POST',
      headers: { 'content-type': 'application/vnd.keygate+json' },
      body: '{}',
    });
    expect(answer.status).toBe(403);
    await gateway.stop();
  });
});
