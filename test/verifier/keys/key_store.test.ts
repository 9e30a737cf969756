// The sidecar's view of a key file that goes bad in every way a file can, on a real file system.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../../node/crypto.js';
import { openKeyStore, type KeyStore, type KeyStoreOptions } from '../../../verifier/keys/key_store.js';

const line = (key: string) => `$sha256$${createHash('sha256').update(key).digest('base64url')}\n`;
const digest = (key: string) => nodePlatform.sha256(key);

let dir = '';
let path = '';
let said: { level: string; why?: string; line?: number }[] = [];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'keygate-store-'));
  path = join(dir, 'api_keys.txt');
  said = [];
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

const say = (level: string) => (about: object) => void said.push({ level, ...about });
const log = { error: say('error'), warn: say('warn'), info: say('info') } as KeyStoreOptions['log'];
const open = (options: Partial<KeyStoreOptions> = {}): KeyStore =>
  openKeyStore({
    path,
    snapshotPath: undefined,
    entrySecret: 'secret',
    apiKey: '',
    apiKeys: '',
    maxStaleSeconds: 3600,
    log,
    ...options,
  });
const settled = () => new Promise((resolve) => setTimeout(resolve, 200));
const errors = () => said.filter(({ level }) => level === 'error').map(({ why }) => why);

const bad: [string, () => unknown, string][] = [
  ['gone', () => rmSync(path), 'ENOENT'],
  ['of zero bytes', () => writeFileSync(path, ''), 'zero bytes long'],
  ['a directory', () => (rmSync(path), mkdirSync(path)), 'not a regular file'],
  ['a FIFO', () => (rmSync(path), execFileSync('mkfifo', [path])), 'not a regular file'],
  ['a socket', () => (rmSync(path), createServer().listen(path).unref()), 'not a regular file'],
  ['a device', () => (rmSync(path), symlinkSync('/dev/zero', path)), 'not a regular file'],
  ['a symlink to nothing', () => (rmSync(path), symlinkSync('nothing', path)), 'ENOENT'],
  ['a symlink to itself', () => (rmSync(path), symlinkSync('api_keys.txt', path)), 'ELOOP'],
  ['33 MB long', () => writeFileSync(path, Buffer.alloc(33 * 1048576, '#')), 'larger than 32 MB'],
  [
    'all NUL, as after a crash',
    () => writeFileSync(path, Buffer.alloc(4096)),
    'holds NUL bytes: damaged, as after a power cut',
  ],
];

describe.each(bad)('a key file that is %s', (_, breakIt, why) => {
  it('keeps the last good keys for nginx that has them too, says so once, and recovers', async () => {
    writeFileSync(path, line('key-1'));
    const store = open();
    const before = await store.current('');
    breakIt();
    await store.current(''); // a first stat
    await settled();
    for (let i = 0; i < 3; i++) expect(await store.current(before?.generation ?? '')).toBe(before);
    expect(errors()).toEqual([why]);
    expect(await store.current('another'), 'nginx may know better').toBeUndefined();
    rmSync(path, { recursive: true, force: true });
    writeFileSync(path, line('key-2'));
    expect((await store.current(''))?.byDigest.has(digest('key-2'))).toBe(true);
    expect(said).toContainEqual({ level: 'info', file: path });
  });

  it('gives no keys after KEYS_MAX_STALE, and none at all where it was never good', async () => {
    writeFileSync(path, line('key-1'));
    const store = open({ maxStaleSeconds: 0 });
    const before = await store.current('');
    breakIt();
    await store.current('');
    await settled();
    expect(await store.current(before?.generation ?? '')).toBeUndefined();
    expect(await open().current('')).toBeUndefined();
    const withEnvironment = open({ apiKey: 'environment-key' });
    const generation = (await open({ path: '', apiKey: 'environment-key' }).current(''))?.generation ?? '';
    expect((await withEnvironment.current(generation))?.byDigest.size).toBe(1);
  });
});

describe('a key file', () => {
  it('that is being written is not read before it has settled', async () => {
    writeFileSync(path, line('key-1'));
    const store = open();
    const before = await store.current('');
    writeFileSync(path, line('key-2').slice(0, 20)); // half of it
    expect(await store.current(before?.generation ?? '')).toBe(before);
    writeFileSync(path, line('key-2'));
    expect(await store.current(before?.generation ?? '')).toBe(before);
    expect((await store.current('newer'))?.byDigest.has(digest('key-2'))).toBe(true);
    expect(said.filter(({ level }) => level !== 'info')).toEqual([]);
  });

  it('that is replaced by rename is taken up, also with the same size and times put back', async () => {
    writeFileSync(path, line('key-1'));
    const store = open();
    await store.current('');
    execFileSync('cp', ['-p', path, `${path}.new`]);
    writeFileSync(`${path}.new`, line('key-2'));
    execFileSync('touch', ['-r', path, `${path}.new`]);
    renameSync(`${path}.new`, path);
    expect((await store.current(''))?.byDigest.has(digest('key-2'))).toBe(true);
  });

  it('has its first 20 unusable lines reported by number, and one line that counts them', async () => {
    writeFileSync(path, `${line('key-1')}${'name:plaintext\n'.repeat(100)}`);
    await open().current('');
    const warnings = said.filter(({ level }) => level === 'warn');
    expect(warnings.map((one) => one.line)).toEqual(Array.from({ length: 20 }, (_, i) => i + 2));
    expect(said.at(-1)).toMatchObject({ level: 'info', unusable: 100 });
    expect(JSON.stringify(said)).not.toContain('plaintext\\n');
  });

  it('may lead over a symlink, and is taken up when the symlink is turned', async () => {
    writeFileSync(join(dir, 'one'), line('key-1'));
    writeFileSync(join(dir, 'two'), line('key-2'));
    symlinkSync('one', path);
    const store = open();
    expect((await store.current(''))?.byDigest.has(digest('key-1'))).toBe(true);
    symlinkSync('two', `${path}.new`);
    renameSync(`${path}.new`, path);
    expect((await store.current(''))?.byDigest.has(digest('key-2'))).toBe(true);
  });
});

describe('the snapshot of a cluster', () => {
  const snapshotPath = () => join(dir, 'snapshot.json');
  const write = (keys: string[]) =>
    writeFileSync(snapshotPath(), JSON.stringify({ number: 1, keys, revoked: [], denied: [] }));
  const openNode = (options: Partial<KeyStoreOptions> = {}) => open({ snapshotPath: snapshotPath(), ...options });

  it('gives its keys beside those of the key file, which a node need not have', async () => {
    write([line('shared').trim()]);
    const store = openNode();
    expect([...((await store.current(''))?.byDigest.keys() ?? [])]).toEqual([digest('shared')]);
    expect(errors()).toEqual([]);
    writeFileSync(path, line('local'));
    expect((await store.current(''))?.byDigest.size).toBe(2);
  });

  it('is waited for: no key answers before a node has joined', async () => {
    writeFileSync(path, line('local'));
    const store = openNode({ apiKey: 'environment-key' });
    expect(await store.current('')).toBeUndefined();
    expect(errors()).toEqual([]);
    expect(said).toEqual([{ level: 'info', file: snapshotPath() }]);
    write([]);
    expect((await store.current(''))?.byDigest.size).toBe(2);
  });

  it.each([
    ['damaged', () => writeFileSync(snapshotPath(), '{"number":1')],
    ['gone', () => rmSync(snapshotPath())],
  ])('that is %s keeps its last good content, and the key file goes on to change', async (_, breakIt) => {
    writeFileSync(path, line('local'));
    write([line('shared').trim()]);
    const store = openNode();
    const before = await store.current('');
    breakIt();
    await store.current('');
    await settled();
    expect(await store.current(before?.generation ?? '')).toBe(before);
    expect(await store.current('another'), 'nginx may know better').toBeUndefined();
    writeFileSync(path, line('another'));
    await store.current('');
    await settled();
    await store.current('');
    write([line('shared').trim()]);
    const keys = [...((await store.current(''))?.byDigest.keys() ?? [])];
    expect(keys).toEqual([digest('another'), digest('shared')]);
  });

  it('that is unusable for KEYS_MAX_STALE leaves no keys', async () => {
    write([line('shared').trim()]);
    const store = openNode({ maxStaleSeconds: 0 });
    const before = await store.current('');
    rmSync(snapshotPath());
    expect(await store.current(before?.generation ?? '')).toBeUndefined();
  });
});
