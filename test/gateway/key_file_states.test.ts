// A key file gone bad, in every way that a file can: a defined outcome in nginx and in the sidecar, logged, and never
// an open door or a process that hangs. KEYS_MAX_STALE ends the grace in each of these states.

import { hashSync } from '@node-rs/bcrypt';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { afterEach, expect, it, vi } from 'vitest';
import { startGateway, type Gateway, type GatewayOptions } from './harness/gateway.js';
import { describeAtOnce } from './harness/variants.js';

const keys = (mark: string) => `plain-key\nalice:${hashSync('alice-key', 4)}\nmark-${mark}\n`;
const binary = Buffer.from('\x7fELF\x02\x01\0\0\0\0\n\0\xff\xfe\0plain-key\0\n'.repeat(200), 'latin1');

const states: [string, (file: string) => unknown, string][] = [
  ['gone', (file) => rmSync(file), 'ENOENT'],
  ['of zero bytes', (file) => writeFileSync(file, ''), 'zero bytes long'],
  ['a directory', (file) => (rmSync(file), mkdirSync(file)), 'not a regular file'],
  ['a FIFO', (file) => (rmSync(file), execFileSync('mkfifo', [file])), 'not a regular file'],
  ['a socket', (file) => (rmSync(file), createServer().listen(file).unref()), 'not a regular file'],
  ['a device', (file) => (rmSync(file), symlinkSync('/dev/zero', file)), 'not a regular file'],
  ['a symlink to itself', (file) => (rmSync(file), symlinkSync(file, file)), 'ELOOP'],
  ['binary', (file) => writeFileSync(file, binary), 'not UTF-8: damaged, or in another encoding'],
  ['all NUL', (file) => writeFileSync(file, Buffer.alloc(999)), 'holds NUL bytes: damaged, as after a power cut'],
  [
    '33 MB long',
    (file) => (writeFileSync(`${file}.new`, Buffer.alloc(33 * 1048576, '#')), renameSync(`${file}.new`, file)),
    'larger than 32 MB',
  ],
];

describeAtOnce('a bad key file', (variant) => {
  let gateway: Gateway;

  const open = async (options: Partial<GatewayOptions> = {}) => {
    gateway = await startGateway({ variant, keys: keys('0'), workers: 2, ...options });
  };
  const status = async (key: string) => (await gateway.send('/', { headers: { 'x-api-key': key } })).status;
  const until = async (key: string, expected: number) =>
    vi.waitFor(async () => expect(await status(key), key).toBe(expected), { timeout: 10000, interval: 50 });
  const keysAre = async () =>
    ((await gateway.send('/health/ready')).json() as unknown as { components: { keys: string } }).components.keys;
  const untilKeysAre = async (condition: string) =>
    vi.waitFor(async () => expect(await keysAre()).toBe(condition), { timeout: 10000, interval: 50 });
  const replace = (content: string) => {
    rmSync(gateway.keysFile, { recursive: true, force: true });
    writeFileSync(`${gateway.keysFile}.new`, content);
    renameSync(`${gateway.keysFile}.new`, gateway.keysFile);
  };

  afterEach(() => gateway?.stop());

  it('keeps the last good keys in nginx and sidecar, says so, and recovers', async () => {
    await open();
    for (const [what, breakIt, why] of states) {
      breakIt(gateway.keysFile);
      await untilKeysAre('degraded');
      await vi.waitFor(() => expect(gateway.sidecar?.log(), what).toContain(`"why":"${why}"`), 10000);
      for (const key of ['plain-key', 'alice-key']) expect(await status(key), `${what}: ${key}`).toBe(200);
      for (const key of ['wrong-key', '', 'plain-key\0']) {
        expect([400, 401], what).toContain(await status(key).catch(() => 400));
      }
      const line = `API_KEYS_FILE ${gateway.keysFile}: ${why}; keys loaded before stay in use`;
      expect(gateway.errorLog()).toContain(line);
      replace(keys(what.replace(/ /g, '-')));
      await until(`mark-${what.replace(/ /g, '-')}`, 200);
      await untilKeysAre('ok');
      expect(await status('alice-key'), `${what}: afterwards`).toBe(200);
    }
    expect(gateway.errorLog()).not.toMatch(/exited on signal/);
  }, 120000);

  it('is told of in one line a minute, and in another when the fault is another', async () => {
    await open();
    const lines = () =>
      gateway
        .errorLog()
        .split('\n')
        .filter((line) => line.includes('keys loaded before stay in use'));
    rmSync(gateway.keysFile);
    await vi.waitFor(() => expect(lines()).toHaveLength(1), 10000);
    mkdirSync(gateway.keysFile);
    await vi.waitFor(() => expect(lines()).toHaveLength(2), { timeout: 20000, interval: 100 });
    await new Promise((resolve) => setTimeout(resolve, 2000));
    expect(lines().map((line) => /ENOENT|not a regular file/.exec(line)?.[0])).toEqual([
      'ENOENT',
      'not a regular file',
    ]);
  });

  it('stops using them after KEYS_MAX_STALE, with 503 and never 401, and takes a good file up again', async () => {
    await open({ env: { KEYS_MAX_STALE: '1' } });
    const token = await gateway.send('/token', { method: 'POST', headers: { 'x-api-key': 'plain-key' } });
    for (const [what, breakIt] of states) {
      breakIt(gateway.keysFile);
      await until('plain-key', 503);
      const answer = await gateway.send('/', { headers: { 'x-api-key': 'alice-key' } });
      expect(answer.json().error.code, what).toBe('keys_unavailable');
      expect(answer.headers['retry-after'], what).toBe('1');
      expect(await status('wrong-key'), what).toBe(503);
      const minting = await gateway.send('/token', { method: 'POST', headers: { 'x-api-key': 'plain-key' } });
      expect(minting.status, what).toBe(503);
      const { token: minted } = token.json() as unknown as { token: string };
      const used = await gateway.send('/', { headers: { authorization: `Bearer ${minted}` } });
      expect(used.status, `${what}: a token of a key that can't be looked up`).not.toBe(200);
      replace(keys(what.replace(/ /g, '-')));
      await until('plain-key', 200);
      await until('alice-key', 200);
    }
  }, 120000);

  it.runIf(process.getuid?.() === 0)(
    'that nginx may not read keeps the last good keys until KEYS_MAX_STALE',
    async () => {
      await open({
        env: { KEYS_MAX_STALE: '2' },
        edit: { 'nginx.conf': (text) => text.replace('user root;', 'user nobody nogroup;') },
      });
      chmodSync(gateway.dir, 0o755);
      await until('plain-key', 200);
      chmodSync(gateway.keysFile, 0o600);
      await vi.waitFor(() => expect(gateway.errorLog()).toContain(`${gateway.keysFile}: EACCES; keys loaded`), 10000);
      expect(await status('plain-key')).toBe(200);
      await until('plain-key', 503);
      chmodSync(gateway.keysFile, 0o644);
      await until('plain-key', 200);
    },
  );
});
