// A node of a cluster: keys, revocations, denials and signing keys that other nodes have made reach nginx and the
// sidecar by files below STATE_DIR/shared. A node that does not know them opens to nobody.

import { hashSync } from '@node-rs/bcrypt';
import { mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeJwt } from 'jose';
import { afterEach, expect, it, vi } from 'vitest';
import type { Snapshot } from '../../auth/snapshot.js';
import { nodePlatform } from '../../node/crypto.js';
import { nodeSettings, revokedNameOf, snapshotOf, writeShared } from './harness/cluster.js';
import { freePort } from './harness/free_port.js';
import { startGateway, type Gateway, type GatewayOptions } from './harness/gateway.js';
import { jwksOf, makeSigner } from './harness/tokens.js';
import { describeAtOnce } from './harness/variants.js';

const shared = `shared:$sha256$${nodePlatform.sha256('shared-key')}`;
const hashed = `hashed:${hashSync('hashed-key', 4)}`;
const snapshotFile = 'shared/snapshot.json';
const entrySecret = 'entry-secret-of-all-nodes-of-this-test-0000';

const soon = { timeout: 20000, interval: 50 };

describeAtOnce('a node of a cluster', (variant) => {
  let gateway: Gateway;
  let other: Gateway | undefined;

  const startNode = ({ env, state, ...options }: Partial<GatewayOptions> = {}) =>
    startGateway({
      variant,
      keys: 'local-key\n',
      env: { ...nodeSettings, ...env },
      state: { 'public/entry_secret': entrySecret, [snapshotFile]: snapshotOf({ keys: [shared, hashed] }), ...state },
      ...options,
    });
  const open = async (options: Partial<GatewayOptions> = {}) => {
    gateway = await startNode(options);
  };
  const write = (members: Partial<Snapshot>) => writeShared(gateway, snapshotFile, snapshotOf(members));
  const send = (key: string, at = gateway) => at.send('/', { headers: { 'x-api-key': key } });
  const until = (key: string, expected: number) =>
    vi.waitFor(async () => expect((await send(key)).status, key).toBe(expected), soon);
  const mint = async (key: string, at = gateway) => {
    const answer = await at.send('/token', { method: 'POST', headers: { 'x-api-key': key } });
    return (answer.json() as unknown as { token: string }).token;
  };
  const use = (token: string, at = gateway) => at.send('/', { headers: { authorization: `Bearer ${token}` } });
  const untilUsed = (token: string, expected: number) =>
    vi.waitFor(async () => expect((await use(token)).status).toBe(expected), soon);
  const ready = async () => {
    const answer = await gateway.send('/health/ready');
    const { components } = answer.json() as unknown as { components: { keys: string; jwks: string } };
    return { status: answer.status, components };
  };
  const untilKeysAre = (condition: string) =>
    vi.waitFor(async () => expect((await ready()).components.keys).toBe(condition), soon);
  // The sidecar would write again what a test breaks.
  const stopSidecar = () => gateway.sidecar?.stop();
  const linesOf = (part: string) =>
    gateway
      .errorLog()
      .split('\n')
      .filter((line) => line.includes(part));

  afterEach(async () => {
    await gateway?.stop();
    await other?.stop();
    other = undefined;
  });

  it('admits what stands in the snapshot beside its own keys, and takes up what is added', async () => {
    await open({ env: { API_KEY: 'environment-key' } });
    for (const key of ['local-key', 'environment-key', 'shared-key', 'hashed-key']) await until(key, 200);
    expect((await send('added-key')).status).toBe(401);
    write({ keys: [shared, hashed, 'added-key', 'name:plaintext', 'local-key'] });
    await until('added-key', 200);
    expect((await send('shared-key')).status).toBe(200);
    expect(gateway.errorLog()).toContain('API keys taken up: 5 usable, 1 unusable');
    expect(gateway.errorLog()).toMatch(/shared\/snapshot\.json: key 4: /);
    expect(await ready()).toMatchObject({ status: 200, components: { keys: 'ok', jwks: 'ok', verifier: 'ok' } });
  });

  it('needs no key file, as the snapshot has keys', async () => {
    gateway = await startGateway({
      variant,
      env: nodeSettings,
      state: { [snapshotFile]: snapshotOf({ keys: [shared, hashed] }) },
    });
    for (const key of ['shared-key', 'hashed-key']) await until(key, 200);
    await untilKeysAre('ok');
    writeFileSync(gateway.keysFile, 'local-key\n');
    await until('local-key', 200);
  });

  it('refuses a revoked key wherever its line stands, and its tokens', async () => {
    await open({ env: { API_KEY: 'environment-key' } });
    const lines: [string, string][] = [
      ['shared-key', shared],
      ['hashed-key', hashed],
      ['local-key', 'local-key'],
      ['environment-key', 'environment-key'],
    ];
    const revoked: string[] = [];
    for (const [key, line] of lines) {
      await until(key, 200);
      const token = await mint(key);
      await untilUsed(token, 200);
      revoked.push(revokedNameOf(gateway, line));
      write({ keys: [shared, hashed], revoked });
      await until(key, 401);
      await untilUsed(token, 401);
    }
  });

  it('refuses denied tokens and signing keys, and publishes no denied key', async () => {
    await open();
    const [denied, good] = [await mint('shared-key'), await mint('shared-key')];
    const { keys } = (await gateway.send('/.well-known/jwks.json')).json() as unknown as { keys: { kid: string }[] };
    const kid = keys[0]?.kid as string;
    for (const token of [denied, good]) await untilUsed(token, 200);
    const list = [`jti:${decodeJwt(denied).jti}`];
    write({ keys: [shared], denied: list });
    await untilUsed(denied, 401);
    expect((await use(good)).status).toBe(200);
    write({ keys: [shared], denied: [...list, 'nonsense'] });
    await vi.waitFor(() => expect(gateway.errorLog()).toContain('denied, line 2: expected jti:VALUE'), soon);
    expect((await use(denied)).status).toBe(401);
    write({ keys: [shared], denied: [...list, `kid:${kid}`] });
    await untilUsed(good, 401);
    await vi.waitFor(async () => {
      expect((await gateway.send('/.well-known/jwks.json')).json()).toEqual({ keys: [] });
    }, soon);
  });

  it('opens to nobody before it has joined: 503, and not ready', async () => {
    const signer = await makeSigner('ES256', 'kid');
    const jwksPath = join(mkdtempSync(join(tmpdir(), 'keygate-jwks-')), 'jwks.json');
    writeFileSync(jwksPath, jwksOf(signer));
    gateway = await startGateway({
      variant,
      keys: `local-key\n${hashed}\n`,
      env: { ...nodeSettings, API_KEY: 'environment-key', JWKS_PATH: jwksPath },
    });
    const token = await signer.sign();
    for (const key of ['local-key', 'environment-key', 'hashed-key', 'wrong-key']) {
      const answer = await send(key);
      expect([answer.status, answer.json().error.code], key).toEqual([503, 'keys_unavailable']);
    }
    const used = await use(token);
    expect([used.status, used.json().error.code]).toEqual([503, 'keys_unavailable']);
    expect(await ready()).toMatchObject({ status: 503, components: { keys: 'failing', jwks: 'failing' } });
    expect(linesOf('this node has not joined its cluster yet: API keys and tokens get 503')).toHaveLength(1);
    write({ keys: [shared], revoked: [revokedNameOf(gateway, hashed)] });
    await until('shared-key', 200);
    for (const key of ['local-key', 'environment-key']) expect((await send(key)).status, key).toBe(200);
    expect((await send('hashed-key')).status).toBe(401);
    await untilUsed(token, 200);
    expect((await ready()).status).toBe(200);
  });

  it.each([
    ['damaged', () => writeShared(gateway, snapshotFile, '{"number":7,"keys":[]'), 'expected JSON'],
    ['of another form', () => writeShared(gateway, snapshotFile, '{"number":7}'), 'expected `keys` to be a list'],
    ['gone', (file: string) => rmSync(file), 'ENOENT'],
    [
      'a folder',
      (file: string) => (symlinkSync('.', `${file}.new`), renameSync(`${file}.new`, file)),
      'not a regular file',
    ],
  ])(
    'goes on with the last good snapshot when it is %s, also when its key file changes',
    async (_, breakIt, why) => {
      const port = await freePort();
      const state = { [snapshotFile]: snapshotOf({ keys: [shared] }) }; // no key that the sidecar checks
      await open({ keys: 'local-key\nrevoked-key\n', env: { METRICS_PORT: String(port) }, state });
      const revoked = [revokedNameOf(gateway, 'revoked-key')];
      write({ keys: [shared], revoked });
      await until('revoked-key', 401);
      const isFaulty = async () =>
        /keygate_source_faulty\{source="snapshot"\} (\d)/.exec(
          await (await fetch(`http://127.0.0.1:${port}/metrics`)).text(),
        )?.[1];
      expect(await isFaulty()).toBe('0');
      await stopSidecar();
      breakIt(join(gateway.stateDir, snapshotFile));
      await untilKeysAre('degraded');
      for (const key of ['shared-key', 'local-key']) expect((await send(key)).status, key).toBe(200);
      writeFileSync(gateway.keysFile, 'another-key\nrevoked-key\n');
      await until('another-key', 200);
      for (const key of ['local-key', 'revoked-key']) expect((await send(key)).status, key).toBe(401);
      expect((await send('shared-key')).status).toBe(200);
      expect(linesOf(`shared/snapshot.json of the sidecar: ${why}`)).toHaveLength(1);
      await vi.waitFor(async () => expect(await isFaulty()).toBe('1'), soon);
      const page = await (await fetch(`http://127.0.0.1:${port}/status.json`)).text();
      expect(page).toContain('The snapshot of the cluster can not be used');
      rmSync(join(gateway.stateDir, snapshotFile), { recursive: true, force: true });
      write({ keys: ['new-key'], revoked });
      await until('new-key', 200);
      expect((await send('shared-key')).status).toBe(401);
      await untilKeysAre('ok');
    },
    60000,
  );

  it('takes a revocation up while its key file is unusable', async () => {
    await open({ keys: `local-key\nrevoked-key\n` });
    for (const key of ['local-key', 'revoked-key']) await until(key, 200);
    writeFileSync(gateway.keysFile, '');
    await untilKeysAre('degraded');
    write({ keys: [shared, hashed, 'added-key'], revoked: [revokedNameOf(gateway, 'revoked-key')] });
    await until('revoked-key', 401);
    for (const key of ['local-key', 'shared-key', 'added-key', 'hashed-key']) {
      expect((await send(key)).status, key).toBe(200);
    }
    expect((await ready()).components.keys).toBe('degraded');
  });

  it('stops using a snapshot after KEYS_MAX_STALE, whatever its key file does', async () => {
    await open({ env: { KEYS_MAX_STALE: '1' } });
    const token = await mint('shared-key');
    await untilUsed(token, 200);
    await stopSidecar();
    rmSync(join(gateway.stateDir, snapshotFile));
    await until('local-key', 503);
    writeFileSync(gateway.keysFile, 'another-key\n');
    const before = linesOf('API keys taken up').length;
    await vi.waitFor(() => expect(linesOf('API keys taken up').length).toBeGreaterThan(before), soon);
    for (const key of ['another-key', 'local-key', 'hashed-key']) expect((await send(key)).status, key).toBe(503);
    expect((await use(token)).status).not.toBe(200);
    expect(linesOf('the last good keys are older than KEYS_MAX_STALE'), 'no set came into use').toHaveLength(1);
    write({ keys: [shared, hashed] });
    for (const key of ['another-key', 'shared-key']) await until(key, 200);
    await untilUsed(token, 200);
  });

  it('names its keys as the sidecar does, after every change', async () => {
    await open();
    const seen = new Set<string>();
    const untilEqual = async () => {
      await vi.waitFor(async () => {
        const { generation, nginxGeneration } = await askHealth(join(gateway.stateDir, 'run', 'verifier.sock'));
        expect(generation).toBe(nginxGeneration);
        expect(seen).not.toContain(generation);
        seen.add(generation);
      }, soon);
    };
    await untilEqual();
    write({ keys: [shared] });
    await untilEqual();
    writeFileSync(gateway.keysFile, 'another-key\n');
    await untilEqual();
    write({ keys: [shared], revoked: [revokedNameOf(gateway, shared)] });
    await untilEqual();
  }, 60000);

  it('verifies the tokens of another node, and publishes the keys of both, each once', async () => {
    await open();
    other = await startNode();
    const token = await mint('shared-key', other);
    expect((await use(token, other)).status).toBe(200);
    expect((await use(token)).status).toBe(401);
    const jwksAt = (at: Gateway) =>
      JSON.parse(readFileSync(join(at.stateDir, 'public', 'jwks.json'), 'utf8')) as { keys: { kid: string }[] };
    const [ours, others] = [jwksAt(gateway).keys, jwksAt(other).keys];
    writeShared(gateway, 'shared/jwks.json', JSON.stringify({ keys: [...others, ...ours] }));
    await untilUsed(token, 200);
    const published = async () =>
      ((await gateway.send('/.well-known/jwks.json')).json() as unknown as { keys: { kid: string }[] }).keys;
    expect((await published()).map(({ kid }) => kid)).toEqual([...ours, ...others].map(({ kid }) => kid));
    writeFileSync(join(gateway.stateDir, 'shared', 'jwks.json'), '{');
    await vi.waitFor(async () => expect((await ready()).components.jwks).toBe('degraded'), soon);
    expect((await use(token)).status).toBe(200);
    write({ keys: [shared], revoked: [revokedNameOf(gateway, shared)] });
    await untilUsed(token, 401);
    writeShared(gateway, 'shared/jwks.json', '{"keys":[]}');
    await vi.waitFor(async () => expect(await published()).toHaveLength(ours.length), soon);
    expect((await ready()).components.jwks).toBe('ok');
  });

  it('begins anew when a reload lets it join or leave', async () => {
    await open({ keys: 'local-key\nrevoked-key\n' });
    write({ keys: [shared], revoked: [revokedNameOf(gateway, 'revoked-key')] });
    await until('revoked-key', 401);
    const settings = join(gateway.dir, 'nginx', 'keygate', 'settings.conf');
    // For a moment after a reload a worker of the old configuration may still look at the files.
    const turn = async (value: string) => {
      const text = readFileSync(settings, 'utf8');
      writeFileSync(settings, text.replace(/(\$keygate_cluster) "\w+"/, `$1 "${value}"`));
      gateway.nginx.reload();
      await new Promise((resolve) => setTimeout(resolve, 1000));
    };
    await turn('off');
    await until('shared-key', 401);
    for (const key of ['local-key', 'revoked-key']) expect((await send(key)).status, key).toBe(200);
    await turn('on');
    await until('shared-key', 200);
    expect((await send('revoked-key')).status).toBe(401);
    await turn('off');
    await until('shared-key', 401);
    await stopSidecar();
    rmSync(join(gateway.stateDir, snapshotFile));
    await turn('on');
    await until('local-key', 503);
    expect((await send('revoked-key')).status).toBe(503);
    expect((await ready()).status).toBe(503);
  }, 60000);
});

interface Health {
  generation: string;
  nginxGeneration: string;
}

function askHealth(socketPath: string): Promise<Health> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/vnd.keygate+json' };
    const sent = request({ socketPath, path: '/health', method: 'POST', headers }, (response) => {
      let text = '';
      response.on('data', (part: Buffer) => (text += part.toString()));
      response.on('end', () => resolve(JSON.parse(text) as Health));
    });
    sent.on('error', reject);
    sent.end('{}');
  });
}
