// An operator's pod, as far as a machine without a cluster can run it: the containers of the manifests with their
// users, mounts, probes, signals and the swaps of their Secrets.

import { createHash, X509Certificate } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { deployDir, render } from '../deploy/harness/manifests.js';
import { unpackStore } from '../cluster/harness/store_server.js';
import { send } from '../gateway/harness/client.js';
import { jwksOf, makeSigner } from '../gateway/harness/tokens.js';
import { describeWithEngine } from './harness/engine.js';
import { startLoad } from './harness/load.js';
import { docker, dockerOutput, LocalPod, type Files, type PodOptions } from './harness/pod.js';

const root = join(import.meta.dirname, '../..');
const project = 'keygate-k8s';
const images = {
  'keygate-nginx': `${project}-nginx-image`,
  'keygate-verifier': `${project}-verifier-image`,
  'keygate-demo-upstream': `${project}-upstream-image`,
};
const sha256 = (key: string) => createHash('sha256').update(key).digest('base64url');
const line = (name: string) => `${name}:$sha256$${sha256(`key-of-${name}`)}\n`;

function makeCertificate(): Files {
  const dir = mkdtempSync(join(tmpdir(), 'keygate-tls-'));
  const [key, cert] = [join(dir, 'tls.key'), join(dir, 'tls.crt')];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  execFileSync('openssl', ['req', '-x509', ...curve, '-subj', '/CN=localhost', '-keyout', key, '-out', cert], {
    stdio: 'ignore',
  });
  const files = { 'tls.key': readFileSync(key, 'utf8'), 'tls.crt': readFileSync(cert, 'utf8') };
  rmSync(dir, { recursive: true });
  return files;
}

describeWithEngine('a pod', () => {
  let pod: LocalPod;
  const url = () => `https://127.0.0.1:${pod.port}`;
  const options = (overlay: string, changes: Partial<PodOptions> = {}): PodOptions => ({
    project,
    manifests: render(join(deployDir, 'overlays', overlay)),
    secrets: {
      'keygate-keys': { 'api_keys.txt': line('alice') + line('bob') },
      'keygate-tls': makeCertificate(),
      'keygate-cluster': { cluster_secret: 'c'.repeat(43), redis_password: 'secret' },
    },
    images,
    network: project,
    ...changes,
  });
  const nodeOptions = (name: string) =>
    options('with-redis', { project: `${project}-${name}`, podName: `keygate-${name}` });
  const create = async (of: PodOptions) => {
    pod?.remove(false);
    pod = new LocalPod(of);
    await pod.create();
  };
  const start = async (of: PodOptions) => {
    pod?.remove(false);
    pod = new LocalPod(of);
    await startPod();
  };
  const startPod = async () => {
    await pod.create();
    await pod.start();
    const { path } = pod.container('nginx').readinessProbe?.httpGet ?? { path: '' };
    const isReady = () =>
      send(url(), path)
        .then(({ status }) => status === 200)
        .catch(() => false);
    await vi.waitUntil(isReady, { timeout: 30000, interval: 200 });
  };
  const statusFor = (credential: string, path = '/v1/models') =>
    send(url(), path, { headers: { authorization: `Bearer ${credential}` } }).then(
      ({ status }) => status,
      () => 0,
    );
  const mint = async (key: string) => {
    const { status, body } = await send(url(), '/token', { method: 'POST', headers: { 'x-api-key': key } });
    if (status !== 200) throw new Error(`POST /token: ${status} ${body}`);
    return (JSON.parse(body) as { token: string }).token;
  };
  const fingerprint = () =>
    new Promise<string>((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port: pod.port, rejectUnauthorized: false }, () => {
        resolve(socket.getPeerCertificate().fingerprint256);
        socket.destroy();
      });
      socket.on('error', reject);
    });

  const startRedis = () => {
    const { home, command } = unpackStore('redis');
    const [server = '', ...args] = command;
    const run = ['run', '-d', '--name', `${project}-redis`, '--network', project, '--user', '0'];
    const place = ['--network-alias', 'redis.keygate.svc.cluster.local', '-v', `${home}:${home}:ro`];
    const settings = ['--bind', '0.0.0.0', '--requirepass', 'secret', '--save', '', '--dir', '/tmp'];
    dockerOutput([...run, ...place, '--entrypoint', server, images['keygate-verifier'], ...args, ...settings]);
  };
  const clear = () => {
    for (const overlay of ['single', 'with-redis', 'embedded-config']) new LocalPod(options(overlay)).remove();
    for (const name of ['a', 'b']) new LocalPod(nodeOptions(name)).remove();
    docker(['rm', '-f', `${project}-upstream`, `${project}-redis`]);
    docker(['network', 'rm', project]);
  };

  beforeAll(async () => {
    clear(); // of an interrupted run
    const verifier = ['-f', join(root, 'container/verifier/Dockerfile')];
    dockerOutput(['build', '-q', '-t', images['keygate-verifier'], ...verifier, root]);
    dockerOutput([
      'build',
      '-q',
      '-t',
      images['keygate-demo-upstream'],
      ...verifier,
      '--target',
      'demo-upstream',
      root,
    ]);
    dockerOutput(['build', '-q', '-t', images['keygate-nginx'], '-f', join(root, 'container/nginx/Dockerfile'), root]);
    dockerOutput(['network', 'create', project]);
    const alias = 'upstream.keygate.svc.cluster.local';
    const args = ['run', '-d', '--name', `${project}-upstream`, '--network', project, '--network-alias', alias];
    dockerOutput([...args, '-e', 'STAND_IN_CHUNK_MS=2500', images['keygate-demo-upstream']]);
    await start(options('single', { settings: { RATE_LIMIT_API: 'off', RATE_LIMIT_AUTH: 'off' } }));
  });
  afterAll(() => {
    clear();
    docker(['image', 'rm', '-f', ...Object.values(images)]);
  });

  it('serves a key of the Secret, mints, and refuses others', async () => {
    expect(await statusFor('key-of-alice')).toBe(200);
    expect(await statusFor(await mint('key-of-alice'))).toBe(200);
    expect(await statusFor('key-of-carol')).toBe(401);
    expect((await send(url(), '/health/ready')).json()).toMatchObject({ status: 'ok' });
  });

  it.each([
    ['nginx', 101],
    ['verifier', 1000],
  ])('%s: a user of its own, no capabilities, seccomp, nothing to write', (name, uid) => {
    const status = pod.exec(name, ['cat', '/proc/1/status']).said;
    expect(status).toMatch(new RegExp(`^Uid:\t${uid}\t${uid}\t${uid}\t${uid}$`, 'm'));
    expect(status).toMatch(/^Gid:\t10500\t10500\t10500\t10500$/m);
    for (const kind of ['Inh', 'Prm', 'Eff', 'Bnd', 'Amb'])
      expect(status).toMatch(new RegExp(`^Cap${kind}:\t0+$`, 'm'));
    expect(status).toMatch(/^NoNewPrivs:\t1$/m);
    expect(status).toMatch(/^Seccomp:\t2$/m);
    for (const path of ['/etc/keygate/keys/x', '/opt/x', '/x'])
      expect(pod.exec(name, ['touch', path]).said, path).toMatch(/Read-only file system|No such file/);
  });

  it('keeps private signing keys from nginx, and the key of the certificate from the sidecar', () => {
    expect(pod.exec('nginx', ['ls', '/var/lib/keygate']).said.trim().split('\n')).toEqual(['public']);
    expect(pod.exec('verifier', ['ls', '/etc/keygate/certs']).said).toContain('No such file');
  });

  it('shows metrics by the address of the pod, and by no other name', async () => {
    const ask = (host: string) => send(`http://127.0.0.1:${pod.metricsPort}`, '/metrics', { headers: { host } });
    expect((await ask(`${pod.address}:9145`)).body).toContain('keygate_');
    expect((await ask('attacker.example:9145')).status).toBe(421);
  });

  it('runs as many workers as nginx requests cores', () => {
    const count = ['sh', '-c', 'grep -las "^nginx: worker process" /proc/[0-9]*/cmdline | wc -l'];
    expect(pod.exec('nginx', count).said.trim()).toBe('1');
  });

  it('takes a changed Secret up: admits a new key, refuses a key that is gone and a denied token', async () => {
    const token = await mint('key-of-alice');
    const other = await mint('key-of-bob');
    const { jti } = JSON.parse(Buffer.from(token.split('.')[1] as string, 'base64url').toString()) as { jti: string };
    expect(await Promise.all([token, other, 'key-of-carol'].map((one) => statusFor(one)))).toEqual([200, 200, 401]);
    pod.swap('keys', { 'api_keys.txt': line('alice') + line('carol'), 'denied.txt': `jti:${jti}\n` });
    await expect.poll(() => statusFor('key-of-carol')).toBe(200);
    await expect.poll(() => statusFor('key-of-bob')).toBe(401);
    await expect.poll(() => statusFor(other)).toBe(401);
    await expect.poll(() => statusFor(token)).toBe(401);
    expect(await statusFor(await mint('key-of-carol'))).toBe(200); // the sidecar has the same keys
  });

  it('keeps the last good keys while the Secret has none', async () => {
    pod.swap('keys', { 'denied.txt': '# none\n' });
    await expect.poll(async () => (await send(url(), '/health/ready')).body).toContain('degraded');
    expect(await statusFor('key-of-carol')).toBe(200);
    pod.swap('keys', { 'api_keys.txt': line('alice') + line('carol'), 'denied.txt': '# none\n' });
    await expect
      .poll(async () => (await send(url(), '/health/ready')).body, { timeout: 20000 })
      .not.toContain('degraded');
  });

  it('takes a renewed certificate up without a failed request, and keeps it when the next is damaged', async () => {
    const [renewed, last] = [makeCertificate(), makeCertificate()];
    const of = (files: Files) => new X509Certificate(files['tls.crt'] as string).fingerprint256;
    const load = startLoad(url(), { alice: 'key-of-alice' });
    pod.swap('certs', renewed);
    await expect.poll(fingerprint, { timeout: 20000 }).toBe(of(renewed));
    expect(Object.keys((await load.stop())['alice'] ?? {})).toEqual(['200']);
    pod.swap('certs', { ...makeCertificate(), 'tls.crt': 'damaged' });
    await expect.poll(() => pod.logs('nginx'), { timeout: 20000 }).toMatch(/\[emerg\].*cannot load certificate/);
    expect(await fingerprint()).toBe(of(renewed));
    pod.swap('certs', last);
    await expect.poll(fingerprint, { timeout: 20000 }).toBe(of(last));
  });

  it('is alive while no worker has time to answer, and not alive without a worker', () => {
    const alive = pod.container('nginx').livenessProbe?.exec.command ?? [];
    const workers = (signal: string) =>
      pod.exec('nginx', [
        'sh',
        '-c',
        `for dir in $(grep -las "^nginx: worker process" /proc/[0-9]*/cmdline); do kill -${signal} $(echo "$dir" | tr -dc 0-9); done`,
      ]);
    workers('STOP');
    const answer = pod.exec('nginx', ['curl', '-sk', '-m', '2', 'https://127.0.0.1:5000/health']);
    const found = pod.exec('nginx', alive);
    workers('CONT');
    expect(answer.status).not.toBe(0);
    expect(found).toEqual({ status: 0, said: '', stdout: '' });
    expect(docker(['run', '--rm', images['keygate-nginx'], ...alive]).status).toBe(1);
  });

  it('stays ready without its sidecar, which starts again', async () => {
    docker(['kill', '-s', 'KILL', pod.nameOf('verifier')]);
    const answer = await send(url(), '/health/ready');
    expect(answer.status).toBe(200);
    expect(await statusFor('key-of-alice')).toBe(200);
    dockerOutput(['start', pod.nameOf('verifier')]);
    await expect.poll(() => mint('key-of-alice').catch(() => ''), { timeout: 20000 }).not.toBe('');
  });

  it('serves an open stream to its end while the pod ends, with its sidecar; tokens outlive the pod', async () => {
    const token = await mint('key-of-alice');
    const body = JSON.stringify({ model: 'gpt-4.1', messages: [], stream: true });
    const headers = { authorization: 'Bearer key-of-alice', 'content-type': 'application/json' };
    const streamed = send(url(), '/v1/chat/completions', { method: 'POST', headers, body });
    await new Promise((resolve) => setTimeout(resolve, 500));
    let isEnded = false;
    const ended = pod.endNginx().then(() => (isEnded = true));
    const { status, body: text } = await streamed;
    expect([status, isEnded]).toEqual([200, false]);
    expect(text).toContain('[DONE]');
    await ended;
    expect([pod.stateOf('nginx'), pod.stateOf('verifier')]).toEqual(['exited 0', 'running']);
    pod.endSidecar();
    expect(pod.stateOf('verifier')).toBe('exited 0');
    await start(options('single'));
    expect(await statusFor(token)).toBe(200);
  });

  it('says what is wrong with its settings, and writes no configuration', async () => {
    const settings = { UPSTREAM_URL: 'http://upstream:8080' };
    await create(options('single', { settings }));
    expect(pod.runOnce('check').said).toMatch(/^keygate: UPSTREAM_URL: expected a whole name/m);
    pod.swap('keys', { 'other.txt': 'x' });
    expect(pod.runOnce('setup').said).toMatch(/^keygate: API_KEYS_FILE: .* is missing$/m);
    expect(docker(['exec', pod.pause, 'ls', '/volumes/configuration']).said).not.toContain('nginx.conf');
  });

  it('reads the secrets of a cluster from their folder, which nginx does not see', async () => {
    await create(options('with-redis'));
    for (const name of ['check', 'setup']) expect(pod.runOnce(name), name).toMatchObject({ status: 0 });
    pod.swap('cluster', { cluster_secret: 'short', redis_password: 'secret' });
    expect(pod.runOnce('check').said).toMatch(/^keygate: CLUSTER_SECRET_FILE: expected a file with 32 /m);
  });

  it('shares keys, revocations, tokens and limits with another pod, through a Redis', async () => {
    pod.remove(false);
    startRedis();
    const key = (one: LocalPod, ...words: string[]) => one.exec('verifier', ['keygate', 'key', ...words]);

    await start(nodeOptions('a'));
    const first = pod;
    const made = key(first, 'new', 'dora', '--rate', '2/d', '--burst', '4');
    const doras = /kg_[\w-]+/.exec(made.said)?.[0] ?? made.said;
    pod = new LocalPod(nodeOptions('b'));
    await startPod();
    const ask = (one: LocalPod, credential: string) =>
      send(`https://127.0.0.1:${one.port}`, '/v1/models', { headers: { 'x-api-key': credential } }).then(
        ({ status }) => status,
      );
    const token = await mint(doras); // on the second
    await expect.poll(() => ask(first, token), { timeout: 20000 }).toBe(200);
    const statuses: number[] = [];
    for (const one of [pod, first, pod, first, pod, first]) statuses.push(await ask(one, doras));
    expect(statuses).toEqual([200, 200, 200, 200, 429, 429]); // with the token, five
    expect(key(first, 'revoke', 'dora').status).toBe(0);
    await expect.poll(() => ask(pod, doras), { timeout: 20000 }).toBe(401);
    await expect.poll(() => ask(pod, token), { timeout: 20000 }).toBe(401);
    expect(await ask(pod, 'key-of-alice')).toBe(200);
    expect(first.exec('nginx', ['ls', '/etc/keygate/cluster']).said).toContain('No such file');
    expect(first.exec('nginx', ['ls', '-l', '/var/lib/keygate/shared/snapshot.json']).said).toMatch(/^-rw-r-----/);

    docker(['rm', '-f', `${project}-redis`]);
    await expect.poll(() => pod.logs('verifier'), { timeout: 20000 }).toMatch(/"the store \S+ is away/);
    expect((await send(url(), '/health/ready')).status).toBe(200); // an outage must not empty the service
    expect(await ask(pod, 'key-of-alice')).toBe(200);
    expect(key(pod, 'new', 'erik').status).not.toBe(0);
  });

  it('takes tokens of a provider whose file is in a Secret, and does not start by a file with a fault', async () => {
    const corp = await makeSigner('ES256', 'corp');
    const entry = { name: 'corp', issuer: 'https://corp.example', audience: 'llm', jwks: { file: 'corp.json' } };
    const files = (more: object = {}): Files => ({
      'providers.json': JSON.stringify({ providers: [{ ...entry, claims: ['email'], ...more }] }),
      'corp.json': jwksOf(corp),
    });
    const withFiles = (overlay: string, named: Files): PodOptions => {
      const { secrets, ...rest } = options(overlay);
      const settings = { JWT_PROVIDERS: '/etc/keygate/providers/providers.json' };
      return { ...rest, settings, secrets: { ...secrets, 'keygate-providers': named } };
    };
    const token = () => corp.sign({ iss: 'https://corp.example', aud: 'llm' });
    await create(withFiles('single', files({ name: 'any', leeway: -1 })));
    const { status, said } = pod.runOnce('check');
    expect(status).toBe(1);
    expect(said.match(/JWT_PROVIDERS: providers\[0\]\.(?:name|leeway): expected /g)).toHaveLength(2);
    await start(withFiles('single', files()));
    expect(await statusFor(await token())).toBe(200);
    pod.swap('providers', files({ audience: 'another' }));
    await expect.poll(async () => statusFor(await token()), { timeout: 20000 }).toBe(401);

    const embedded = withFiles('embedded-config', files());
    const own = embedded.manifests.find(({ data }) => data?.['settings.conf'] !== undefined)?.data as Files;
    own['settings.conf'] =
      own['settings.conf']?.replace(/(providers_file) ""/, '$1 "/etc/keygate/providers/providers.json"') ?? '';
    await start(embedded);
    expect(await statusFor(await token())).toBe(200);
    const headers = pod.exec('nginx', ['cat', '/etc/nginx/keygate/proxy_headers.conf']).said;
    expect(headers).toContain('X-Auth-Claim-Email $keygate_claim_email;');
  });

  it('runs an nginx.conf of your own', async () => {
    await start(options('embedded-config'));
    expect(await statusFor('key-of-alice')).toBe(200);
    expect(await statusFor('key-of-carol')).toBe(401);
    const minted = await send(url(), '/keygate/token', { method: 'POST', headers: { 'x-api-key': 'key-of-alice' } });
    expect(minted.status).toBe(200);
    await pod.endNginx();
    expect(pod.stateOf('nginx')).toBe('exited 0');
  });
});
