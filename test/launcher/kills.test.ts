// Processes of `npm start` that are killed: nothing is left that stands in the way of the next start, and nobody
// else's process is touched.

import { existsSync, mkdtempSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { send } from '../gateway/harness/client.js';
import { freePort } from '../gateway/harness/free_port.js';
import { endAll, kill, processesOf, ready, run, stateDir, type Run } from './launcher.js';

const headers = { 'x-api-key': 'key-of-the-kills-test' };

interface Places extends NodeJS.ProcessEnv {
  STATE_DIR: string;
  LISTEN_PORT: string;
  API_KEY: string;
  RATE_LIMIT_API: 'off';
}

async function places(): Promise<Places> {
  return {
    STATE_DIR: stateDir(),
    LISTEN_PORT: String(await freePort()),
    API_KEY: headers['x-api-key'],
    RATE_LIMIT_API: 'off',
  };
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
}

const titleOf = (pid: number | string) => readFileSync(`/proc/${pid}/cmdline`, 'latin1');

interface Tree {
  launcher: number;
  watcher: number;
  master: number;
  workers: number[];
}

function treeOf(one: Run, { STATE_DIR }: Places): Tree {
  const launcher = one.child.pid as number;
  const watcher = childrenOf(launcher).find((pid) => titleOf(pid).includes('nginx_watcher.js')) as number;
  const [master] = childrenOf(watcher) as [number];
  expect(readFileSync(join(STATE_DIR, 'run', 'nginx', 'nginx.pid'), 'utf8').trim()).toBe(String(master));
  return { launcher, watcher, master, workers: childrenOf(master) };
}

const isAlive = (pid: number) => existsSync(`/proc/${pid}`) && titleOf(pid) !== '';
const nothingLeft = (dir: string) => expect.poll(() => processesOf(dir), { timeout: 10000 }).toEqual([]);
const statusOf = (url: string) => send(url, '/v1/models', { headers }).then(({ status }) => status);

async function startsAgain(env: Places): Promise<Run> {
  const again = run(env);
  const url = await ready(again);
  for (let i = 0; i < 20; i++) expect(await statusOf(url)).toBe(200);
  expect((await send(url, '/v1/models')).status).toBe(401);
  return again;
}

async function endsWell(one: Run, { STATE_DIR }: Places): Promise<void> {
  one.child.kill('SIGTERM');
  expect(await one.ended).toBe(0);
  expect(processesOf(STATE_DIR)).toEqual([]);
}

afterEach(endAll);

describe('npm start, killed in parts', { timeout: 60000 }, () => {
  it('goes on when a worker is killed: another takes its place, changed keys are taken up', async () => {
    const env = await places();
    const one = run(env);
    const url = await ready(one);
    const { master, workers } = treeOf(one, env);
    for (const [index, worker] of workers.entries()) {
      kill([worker]);
      for (let i = 0; i < 50; i++) expect(await statusOf(url)).toBe(200);
      expect(isAlive(worker)).toBe(false);
      const key = `another-key-${index}`;
      writeFileSync(join(env.STATE_DIR, 'keys', 'api_keys.txt'), `${key}\n`);
      const withKey = () => send(url, '/v1/models', { headers: { 'x-api-key': key } });
      await expect.poll(async () => (await withKey()).status).toBe(200);
    }
    expect(childrenOf(master)).toHaveLength(workers.length);
    await endsWell(one, env);
  });

  it.each([
    ['the master', ({ master }: Tree) => [master]],
    ['the watcher', ({ watcher }: Tree) => [watcher]],
    ['watcher and master', ({ watcher, master }: Tree) => [watcher, master]],
    ['nginx whole', ({ master, workers }: Tree) => [master, ...workers]],
  ])('says that nginx ended and leaves nothing when %s is killed; starts again', async (_, chosen) => {
    const env = await places();
    const one = run(env);
    await ready(one);
    kill(chosen(treeOf(one, env)));
    expect(await one.ended, one.said()).toBe(1);
    expect(one.said()).toMatch(/^keygate: nginx ended: /m);
    expect(processesOf(env.STATE_DIR)).toEqual([]);
    await endsWell(await startsAgain(env), env);
  });

  it.each([
    ['the launcher', ({ launcher }: Tree) => [launcher]],
    ['launcher and master', ({ launcher, master }: Tree) => [launcher, master]],
    ['launcher and workers', ({ launcher, workers }: Tree) => [launcher, ...workers]],
  ])('leaves nothing when %s is killed', async (_, chosen) => {
    const env = await places();
    const one = run(env);
    await ready(one);
    kill(chosen(treeOf(one, env)));
    await nothingLeft(env.STATE_DIR);
  });

  it.each([
    ['the launcher', ({ launcher }: Tree) => [launcher]],
    ['launcher and watcher', ({ launcher, watcher }: Tree) => [launcher, watcher]],
    ['launcher, watcher and master', ({ launcher, watcher, master }: Tree) => [launcher, watcher, master]],
  ])('starts again at once when %s is killed, and takes over from what nginx left', async (_, chosen) => {
    const env = await places();
    const one = run(env);
    await ready(one);
    const tree = treeOf(one, env);
    kill(chosen(tree));
    const again = await startsAgain(env);
    for (const pid of [tree.watcher, tree.master, ...tree.workers]) expect(isAlive(pid)).toBe(false);
    await endsWell(again, env);
  });

  it('starts again at once when all of it is killed at once', async () => {
    const env = await places();
    const one = run(env);
    await ready(one);
    kill(processesOf(env.STATE_DIR));
    expect(readdirSync(join(env.STATE_DIR, 'run', 'nginx', 'sockets'))).not.toEqual([]);
    await endsWell(await startsAgain(env), env);
  });

  it('ends workers left behind that do not listen to a word', async () => {
    const env = await places();
    const one = run(env);
    await ready(one);
    const { launcher, watcher, master, workers } = treeOf(one, env);
    process.kill(workers[0] as number, 'SIGSTOP');
    kill([launcher, watcher, master]);
    await endsWell(await startsAgain(env), env);
    expect(isAlive(workers[0] as number)).toBe(false);
  });

  it("leaves another STATE_DIR's workers alone, also where they hold the port", async () => {
    const env = await places();
    const one = run(env);
    await ready(one);
    const { launcher, watcher, master, workers } = treeOf(one, env);
    kill([launcher, watcher, master]);
    const other = run({ ...env, STATE_DIR: stateDir() });
    expect(await other.ended).toBe(1);
    expect(other.said()).toMatch(/^keygate: LISTEN_PORT \d+ is taken on 127\.0\.0\.1: .*\n$/);
    expect(workers.map(isAlive)).toEqual(workers.map(() => true));
    kill(workers);
  });
});

describe('a second npm start on one STATE_DIR', { timeout: 60000 }, () => {
  it.each([
    ['the same port', ({ LISTEN_PORT }: Places) => Promise.resolve(LISTEN_PORT), (dir: string) => dir],
    ['another port', () => freePort().then(String), (dir: string) => dir],
    ['another name of the folder', () => freePort().then(String), linkTo],
  ])('says so in a line and does not disturb the first: %s', async (_, portFor, nameOf) => {
    const env = await places();
    const first = run(env);
    const url = await ready(first);
    const sockets = join(env.STATE_DIR, 'run', 'nginx', 'sockets');
    const conf = join(env.STATE_DIR, 'run', 'nginx', 'conf', 'nginx.conf');
    const before = [statSync(sockets).ino, statSync(conf).mtimeMs, readdirSync(sockets)];
    const running = processesOf(env.STATE_DIR);
    const second = run({ ...env, LISTEN_PORT: await portFor(env), STATE_DIR: nameOf(env.STATE_DIR) });
    expect(await second.ended).toBe(1);
    expect(second.said()).toMatch(/^keygate: STATE_DIR \S+: a gateway runs on it already: .*\n$/);
    expect([statSync(sockets).ino, statSync(conf).mtimeMs, readdirSync(sockets)]).toEqual(before);
    expect(processesOf(env.STATE_DIR)).toEqual(running);
    for (let i = 0; i < 20; i++) expect(await statusOf(url)).toBe(200);
    await endsWell(first, env);
  });

  it('lets one of several begin that come at once', async () => {
    const env = await places();
    const all = await Promise.all([1, 2, 3].map(async () => run({ ...env, LISTEN_PORT: String(await freePort()) })));
    await expect
      .poll(() => all.filter((one) => one.said().includes('keygate ready')).length, { timeout: 20000 })
      .toBe(1);
    const refused = all.filter((one) => one.said().includes('a gateway runs on it already'));
    expect(refused).toHaveLength(2);
    for (const one of refused) expect(await one.ended).toBe(1);
  });
});

function linkTo(dir: string): string {
  const link = join(mkdtempSync(join(tmpdir(), 'keygate-link-')), 'state');
  symlinkSync(dir, link);
  return link;
}
