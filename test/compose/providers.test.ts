// Tokens of identity providers with Docker: a folder of the host, keys in a file, and keys of a private server that the
// sidecar fetches.

import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { send, type Sending } from '../gateway/harness/client.js';
import { makeClientAuthority } from '../gateway/harness/client_certificate.js';
import { makeAuthority } from '../gateway/harness/issuer.js';
import { startProviderServer, type ProviderServer } from '../gateway/harness/provider_server.js';
import { jwksOf, makeSigner, type Signer } from '../gateway/harness/tokens.js';
import { makeClone, type Clone } from './harness/clone.js';
import { describeWithEngine, engineAddress } from './harness/engine.js';

const soon = { timeout: 60000, interval: 500 };
const key = 'a-key-of-the-providers-test';

describeWithEngine('identity providers of the stack', () => {
  let clone: Clone;
  let server: ProviderServer;
  let corp: Signer;
  let cluster: Signer;
  let providers: { corp: object; cluster: object };

  const put = (name: string, text: string) => writeFileSync(join(clone.dir, name), text, { mode: 0o644 });
  const set = (settings: { [name: string]: string }) => {
    const all = { API_KEYS_DIR_HOST: './keys', JWT_PROVIDERS_DIR_HOST: './providers', ...settings };
    const lines = Object.entries(all).map(([name, value]) => `${name}=${value}\n`);
    put('.env', lines.join(''));
  };
  // As an editor does: a new file takes the place of the old one.
  const edit = (listed: object[]) => {
    put('providers/new.json', JSON.stringify({ providers: listed }));
    renameSync(join(clone.dir, 'providers/new.json'), join(clone.dir, 'providers/providers.json'));
  };
  const faults = () => {
    const { status, said } = clone.run('docker compose run --rm --build check');
    expect(status).not.toBe(0);
    return said.match(/keygate: .*/g);
  };
  const comesUp = () => {
    const ran = clone.run('docker compose up -d --build --wait');
    expect(ran.status, ran.said + clone.run('docker compose logs').stdout).toBe(0);
  };
  const logOf = (service: string) => clone.run(`docker compose logs --no-log-prefix ${service}`).stdout;
  const statusFor = (sending: Sending) =>
    send(clone.url, '/v1/models', sending).then(
      ({ status }) => status,
      () => 0,
    );
  const withToken = (token: string): Sending => ({ headers: { authorization: `Bearer ${token}` } });
  const ofCorp = async () => withToken(await corp.sign({ iss: 'https://corp.example', aud: 'llm' }));
  const ofCluster = async () => withToken(await cluster.sign({ iss: server.origin, aud: 'llm' }));
  const networkOf = (service: string) =>
    clone.run(`docker inspect -f '{{.HostConfig.NetworkMode}}' ${clone.project}-${service}-1`).stdout.trim();

  beforeAll(async () => {
    const authority = await makeAuthority();
    const address = engineAddress();
    server = await startProviderServer(authority, address, address);
    corp = await makeSigner('ES256', 'corp');
    cluster = await makeSigner('ES256', 'cluster');
    server.serve(cluster);
    const keys = jwksOf(cluster);
    server.answers['/keys'] = ({ headers }, response) =>
      response.writeHead(headers.authorization === 'Bearer token-of-the-pod' ? 200 : 401).end(keys);
    clone = await makeClone('keygate-providers');
    for (const folder of ['keys', 'providers']) mkdirSync(join(clone.dir, folder), { mode: 0o755 });
    put('keys/api_keys.txt', `${key}\n`);
    put('providers/corp.json', jwksOf(corp));
    put('providers/ca.crt', readFileSync(authority.caFile, 'utf8'));
    put('providers/token', 'token-of-the-pod\n');
    const private_ = { issuer: server.origin, audience: 'llm', jwks: 'discover', ca: 'ca.crt', credential: 'token' };
    providers = {
      corp: { name: 'corp', issuer: 'https://corp.example', audience: 'llm', jwks: { file: 'corp.json' } },
      cluster: { name: 'cluster', ...private_ },
    };
  });
  afterAll(async () => {
    clone?.remove();
    await server?.close();
  });

  it('stop what would start, with a line for each fault', () => {
    set({});
    expect(faults()).toEqual(['keygate: JWT_PROVIDERS: /etc/keygate/providers/providers.json is missing']);
    edit([
      { ...providers.corp, name: 'any' },
      { ...providers.cluster, jwks: {} },
    ]);
    expect(faults()).toEqual([
      expect.stringMatching(/^keygate: JWT_PROVIDERS: providers\[0\]\.name: expected /),
      expect.stringMatching(/^keygate: JWT_PROVIDERS: providers\[1\]\.jwks: expected /),
    ]);
    edit([{ ...providers.cluster, credential: '/var/run/token' }]);
    expect(faults()).toEqual([
      'keygate: JWT_PROVIDERS: credential of cluster: /var/run/token is missing',
      'keygate: VERIFIER_NETWORK: expected on, as the sidecar fetches the keys of cluster',
    ]);
    set({ VERIFIER_NETWORK: 'off' });
    expect(faults()).toEqual(['keygate: VERIFIER_NETWORK: expected on, or no value']);
    set({ JWT_PROVIDERS: './providers/providers.json' });
    expect(faults()?.[0]).toContain('JWT_PROVIDERS: expected JWT_PROVIDERS_DIR_HOST in its place');
  });

  it('verify tokens by keys in a file, beside client certificates, without a network for the sidecar', async () => {
    const clients = await makeClientAuthority('Clients');
    put('clients.pem', readFileSync(clients.caFile, 'utf8'));
    put('keys/api_keys.txt', `${key}\ncarol:$x509-subject$CN=carol,O=Example%20Ltd\n`);
    set({ CLIENT_CERTIFICATES: 'on', CLIENT_CA: './clients.pem' });
    edit([providers.corp]);
    comesUp();
    expect(await statusFor(await ofCorp())).toBe(200);
    expect(await statusFor({ certificate: await clients.issue({ name: 'carol' }) })).toBe(200);
    expect(await statusFor({ certificate: await clients.issue({ name: 'dan' }) })).toBe(401);
    expect(await statusFor(await ofCluster())).toBe(401);
    expect(networkOf('verifier')).toBe('none');
  });

  it('are taken up while the stack runs; nginx logs a fault, and a sidecar without a network', async () => {
    edit([{ ...providers.corp, claims: ['email'] }]);
    await expect.poll(() => logOf('nginx'), soon).toMatch(/nginx has no variables for these claims.*: email/);
    const ran = clone.run('docker compose run --rm setup && docker compose exec -T nginx nginx -s reload');
    expect(ran.status, ran.said).toBe(0);
    const headers = clone.run('docker compose exec -T nginx cat /etc/nginx/keygate/proxy_headers.conf').stdout;
    expect(headers).toContain('X-Auth-Claim-Email $keygate_claim_email;');
    edit([{ ...providers.corp, nonsense: 1 }]);
    await expect.poll(() => logOf('nginx'), soon).toMatch(/keygate: JWT_PROVIDERS: providers\[0\].*nonsense/);
    expect(await statusFor(await ofCorp())).toBe(200);
    edit([providers.cluster]);
    await expect.poll(() => logOf('nginx'), soon).toMatch(/provider cluster: there is no network here: /);
    expect(await statusFor(await ofCorp())).toBe(401);
    expect(await statusFor(await ofCluster())).toBe(503);
  });

  it('have their keys fetched by the sidecar with VERIFIER_NETWORK, by an authority of their own', async () => {
    set({ VERIFIER_NETWORK: 'on' });
    comesUp();
    expect(networkOf('verifier')).toBe(`${clone.project}_default`);
    await expect.poll(async () => statusFor(await ofCluster()), soon).toBe(200);
    const words = ['compose', '-p', clone.project, 'run', '--rm', 'verifier', 'keygate', 'provider', 'check'];
    const checked = await promisify(execFile)('docker', words, { cwd: clone.dir }); // the server is in this process
    expect(checked.stdout).toContain('cluster: ');
  });
});
