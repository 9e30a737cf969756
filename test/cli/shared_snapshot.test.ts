// An admin of a cluster at a shell of one node: the built program, with a real store that is there or away.

import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseKeyFile } from '../../auth/key_file.js';
import { revokedName } from '../../auth/snapshot.js';
import { emptySnapshot } from '../../cluster/merge.js';
import { openClusterKeys } from '../../cluster/seal.js';
import { editSnapshot, readSnapshot, snapshotPath } from '../../cluster/snapshot_file.js';
import { nodePlatform } from '../../node/crypto.js';
import { makeSigningKey, readSigningKeys, writeSigningKeys } from '../../verifier/signing/stored_keys.js';
import { clusterSettings, makeSecretFile } from '../cluster/harness/settings.js';
import { startStore, type StoreServer } from '../cluster/harness/store_server.js';

const program = join(import.meta.dirname, '../../dist/keygate_command.js');
const secretFile = makeSecretFile();
let store: StoreServer;
let stateDir = '';
let keysFile = '';

beforeEach(async () => {
  store = await startStore({ password: 's3cret-password' });
  stateDir = join(mkdtempSync(join(tmpdir(), 'keygate-cli-')), 'state');
  keysFile = join(stateDir, 'keys', 'api_keys.txt');
  await editSnapshot(stateDir, () => emptySnapshot);
});
afterEach(() => store.stop());

function keygate(...args: string[]): { code: number | null; out: string; err: string } {
  const url = store.url.replace('//', '//:s3cret-password@');
  const env = { ...process.env, STATE_DIR: stateDir, REDIS_URL: url, CLUSTER_SECRET_FILE: secretFile, NODE_NAME: 'n' };
  const ran = spawnSync(process.execPath, [program, ...args], { cwd: tmpdir(), env, encoding: 'utf8' });
  expect(ran.stdout + ran.stderr).not.toContain('s3cret-password');
  return { code: ran.status, out: ran.stdout, err: ran.stderr };
}

const snapshot = () => readSnapshot(stateDir);
const hashOf = (key: string) => `$sha256$${nodePlatform.sha256(key)}`;
const events = () =>
  readFileSync(join(stateDir, 'audit.log'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { [name: string]: unknown });

function writeKeys(text: string): void {
  mkdirSync(join(stateDir, 'keys'), { recursive: true });
  writeFileSync(keysFile, text);
}

function nameOf(line: string): string {
  const [entry] = parseKeyFile(line, nodePlatform).entries;
  const { entrySecret } = openClusterKeys(clusterSettings(store.url, { CLUSTER_SECRET_FILE: secretFile }));
  return revokedName(entry as NonNullable<typeof entry>, entrySecret, nodePlatform);
}

describe('keygate key in a cluster', () => {
  it('new puts the line into the snapshot, and makes no key file', () => {
    const ran = keygate('--json', 'key', 'new', 'alice', '--scope', 'chat');
    const { key, file } = JSON.parse(ran.out) as { key: string; file: string };
    expect(file).toBe(snapshotPath(stateDir));
    const { entries } = parseKeyFile((snapshot()?.keys ?? []).join('\n'), nodePlatform);
    expect(entries).toMatchObject([{ name: 'alice', hash: nodePlatform.sha256(key), scopes: ['chat'] }]);
    expect(existsSync(keysFile)).toBe(false);
    expect(events()).toMatchObject([{ event: 'key_new', subject: 'alice', file, scope: 'chat' }]);
    expect(keygate('key', 'new', 'alice').out).toContain('alice has 2 keys now');
  });

  it('list and check show the snapshot and the key file', () => {
    writeKeys(`bob:${hashOf('b')}\nbroken:line\n`);
    keygate('key', 'new', 'alice');
    const { out } = keygate('key', 'list');
    expect(out).toMatch(/^cluster {2}line 1 {2}alice {2}sha256 .*\nfile {2}line 1 {2}bob {2}sha256 /);
    const checked = keygate('key', 'check');
    expect(checked).toMatchObject({ code: 1, out: expect.stringContaining('2 usable, 1 not used') as string });
    expect(checked.out).toContain(`${keysFile}:2: not used`);
  });

  it('revoke refuses a key wherever its line stands, and takes it out of both', () => {
    writeKeys(`alice:${hashOf('a')}\nbob:${hashOf('b')}\n`);
    keygate('key', 'new', 'alice');
    const [line = ''] = snapshot()?.keys ?? [];
    const ran = keygate('--json', 'key', 'revoke', 'alice');
    expect(JSON.parse(ran.out)).toMatchObject({ revoked: 2, published: true, audited: true });
    expect(snapshot()).toMatchObject({ keys: [], revoked: [nameOf(line), nameOf(`x:${hashOf('a')}`)].sort() });
    expect(readFileSync(keysFile, 'utf8')).toBe(`bob:${hashOf('b')}\n`);
    const revokes = events().filter(({ event }) => event === 'key_revoke');
    expect(revokes.map(({ file, subject }) => [file, subject])).toEqual([
      [snapshotPath(stateDir), 'alice'],
      [snapshotPath(stateDir), 'alice'],
      [keysFile, 'alice'],
    ]);
    expect(keygate('key', 'revoke', 'alice')).toMatchObject({
      code: 1,
      err: expect.stringContaining('no key of alice in') as string,
    });
  });

  it.runIf(process.getuid?.() === 0)(
    'revoke leaves a key file that can not be changed, and says so',
    () => {
      writeKeys(`alice:${hashOf('a')}\n`);
      mkdirSync(join(stateDir, 'keys', 'api_keys.txt.lock')); // nobody takes the lock of a folder
      const ran = keygate('key', 'revoke', 'alice');
      expect(ran.code, ran.err).toBe(0);
      expect(ran.out).toContain(`Lines of ${keysFile} stay, and admit nobody`);
      expect(snapshot()?.revoked).toEqual([nameOf(`alice:${hashOf('a')}`)]);
      expect(keygate('key', 'list').out).toMatch(/^file .*alice.*revoked$/m);
    },
    60000,
  );

  it('changes nothing while the store is away, but for a revocation', async () => {
    keygate('key', 'new', 'alice');
    const before = snapshot();
    await store.kill();
    const ran = keygate('key', 'new', 'bob');
    expect(ran).toMatchObject({ code: 1, out: '' });
    expect(ran.err).toMatch(
      /^keygate: nothing was changed, as the store redis:\S+ is not usable: no connection \(ECONNREFUSED\)\nhint: /,
    );
    expect(snapshot()).toEqual(before);
    const revoked = keygate('key', 'revoke', 'alice');
    expect(revoked.code).toBe(0);
    expect(revoked.out).toContain('WARNING: only this node knows');
    expect(snapshot()).toMatchObject({ keys: [], revoked: [nameOf(before?.keys[0] ?? '')] });
    expect(events().map(({ event }) => event)).toEqual(['key_new', 'key_revoke']);
  });
});

describe('keygate token and jwks in a cluster', () => {
  it('revoke a token on every node', () => {
    const ran = keygate('--json', 'token', 'revoke', 'a-jti');
    expect(JSON.parse(ran.out)).toMatchObject({ revoked: 'a-jti', published: true, file: snapshotPath(stateDir) });
    expect(snapshot()?.denied).toEqual(['jti:a-jti']);
    keygate('token', 'revoke', 'a-jti');
    expect(events()).toMatchObject([{ event: 'token_revoke', jti: 'a-jti' }]);
    expect(existsSync(join(stateDir, 'keys', 'denied.txt'))).toBe(false);
  });

  it('revoke a signing key of this node, and one of another node', async () => {
    const [own, other] = [await makeSigningKey('ES256'), await makeSigningKey('ES256')];
    writeSigningKeys(stateDir, [{ state: 'active', sinceSeconds: 0, jwk: own }]);
    writeFileSync(join(stateDir, 'shared', 'jwks.json'), JSON.stringify({ keys: [other] }));
    for (const kid of [own.kid, other.kid] as string[]) expect(keygate('jwks', 'revoke', kid).code).toBe(0);
    expect(snapshot()?.denied).toEqual([`kid:${own.kid}`, `kid:${other.kid}`].sort());
    expect(readSigningKeys(stateDir).map(({ jwk }) => jwk.kid)).not.toContain(own.kid);
    expect(keygate('jwks', 'revoke', 'nobodys')).toMatchObject({ code: 1 });
    expect(events().map(({ event }) => event)).toEqual(['jwks_revoke', 'jwks_deny', 'jwks_deny']);
  });
});

describe('a command', () => {
  it('says that its node has not joined', () => {
    stateDir = mkdtempSync(join(tmpdir(), 'keygate-cli-'));
    const ran = keygate('key', 'check');
    expect(ran).toMatchObject({ code: 1, out: expect.stringContaining('this node has not joined') as string });
  });

  it('stops at a damaged snapshot', () => {
    writeFileSync(snapshotPath(stateDir), '{');
    chmodSync(snapshotPath(stateDir), 0o640);
    for (const args of [
      ['key', 'list'],
      ['key', 'new', 'a'],
      ['token', 'revoke', 'x'],
    ])
      expect(keygate(...args)).toMatchObject({ code: 1, err: expect.stringContaining("can't use") as string });
  });
});
