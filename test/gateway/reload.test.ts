// nginx reloaded and replaced (USR2) under steady load, while keys change: no request fails.

import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { writeAtomically } from '../../node/state_files.js';
import { freePort } from './harness/free_port.js';
import { startGateway, type Gateway, type GatewayOptions } from './harness/gateway.js';
import { startSteadyLoad, type Asking, type Outcome, type SteadyLoad } from './harness/steady_load.js';
import { startUpstream, type TestUpstream } from './harness/upstream.js';
import { variants, type Variant } from './harness/variants.js';

const key = 'steady-key';
const line = (one: string) => `${one}:$sha256$${createHash('sha256').update(one).digest('base64url')}`;
const keyFile = (...others: string[]) => `${[key, ...others].map(line).join('\n')}\n`;
const right = { authorization: `Bearer ${key}` };
const askings: Asking[] = [
  { headers: right, status: 200 },
  { headers: right, status: 200, path: '/v1/messages' },
  { headers: { 'x-api-key': key }, status: 200, method: 'POST', body: 'x'.repeat(2000) },
  { headers: { 'x-api-key': key }, status: 200, method: 'POST', body: 'x'.repeat(40000) },
  { headers: { authorization: 'Bearer unknown' }, status: 401 },
  { status: 401, method: 'POST', body: 'x'.repeat(2000) },
];
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const [access, chosen, , oldest] = variants as [Variant, Variant, Variant, Variant];
const combinations = [
  { name: access.name, variant: access, overTcp: false },
  { name: `${chosen.name}, Unix socket`, variant: chosen, overTcp: false },
  { name: `${chosen.name}, TCP`, variant: chosen, overTcp: true },
  { name: `${oldest.name}, Unix socket`, variant: oldest, overTcp: false },
  { name: `${oldest.name}, TCP`, variant: oldest, overTcp: true },
];

let gateway: Gateway;
let upstream: TestUpstream;
const masters: number[] = [];

async function start(options: Pick<GatewayOptions, 'variant' | 'command'>, overTcp: boolean): Promise<SteadyLoad> {
  upstream = await startUpstream();
  const decision = overTcp ? { decision: `127.0.0.1:${await freePort()}` } : {};
  gateway = await startGateway({ ...options, ...decision, upstream, keys: keyFile(), workers: 2 });
  const minted = await gateway.send('/token', { method: 'POST', headers: right });
  const withToken = { headers: { authorization: `Bearer ${String(minted.json()['token'])}` }, status: 200 };
  return startSteadyLoad(gateway.url, [...askings, withToken]);
}

afterEach(async () => {
  for (const pid of masters.splice(0)) if (existsSync(`/proc/${pid}`)) process.kill(pid, 'SIGTERM');
  await gateway.stop();
  await upstream.close();
});

// An nginx without keepalive_min_timeout (before 1.27.4) closes kept connections when it is reloaded. Those to a
// decision server on TCP are asked again on another, and nginx logs that; clients meet the end of theirs.
function expectQuiet({ dropped, failed }: Outcome, variant: Variant, overTcp: boolean): void {
  const faults = gateway
    .errorLog()
    .split('\n')
    .filter((one) => /\[(?:error|crit|alert|emerg)\]/.test(one));
  const closed = /(?:recv\(\) failed \(104|upstream prematurely closed).* subrequest: "\/_keygate_ask"/;
  const isOld = variant === oldest;
  expect(failed, faults.join('\n')).toEqual({});
  expect(faults.filter((one) => !(isOld && overTcp && closed.test(one)))).toEqual([]);
  if (!isOld) expect(dropped).toBe(0);
}

// Another key each time: the one of the last time is refused from then on.
async function changeKeys(count: number): Promise<void> {
  writeAtomically(gateway.keysFile, keyFile(`key-${count}`), 0o644);
  await expect.poll(async () => await statusOf(`key-${count}`), { timeout: 10000 }).toBe(200);
  expect(await statusOf(`key-${count - 1}`)).toBe(401);
}

const statusOf = async (one: string) => (await gateway.send('/x', { headers: { 'x-api-key': one } })).status;

async function until(load: SteadyLoad, requests: number): Promise<void> {
  while (load.outcome.answered < requests) await pause(20);
}

describe.each(combinations)('$name', { timeout: 180000 }, ({ variant, overTcp }) => {
  it('fails no request while it is reloaded again and again and keys change', async () => {
    const load = await start({ variant }, overTcp);
    let reloads = 0;
    while (load.outcome.answered < 8000 || reloads < 20) {
      gateway.nginx.reload();
      reloads++;
      await pause(300);
      if (reloads % 3 === 0) await changeKeys(reloads / 3);
    }
    expectQuiet(await load.stop(), variant, overTcp);
  });

  it('fails no request while another binary takes its place', async () => {
    const load = await start({ variant, command: replaceable }, overTcp);
    const pidFile = join(gateway.dir, 'nginx.pid');
    const pidIn = (path: string) => (existsSync(path) ? Number(readFileSync(path, 'utf8')) : 0);
    masters.push(pidIn(pidFile));
    for (let round = 1; round <= 3; round++) {
      await until(load, load.outcome.answered + 1000);
      const old = pidIn(pidFile);
      await expect.poll(() => parentOf(parentOf(old)), { timeout: 10000 }).not.toBe(gateway.nginx.pid);
      process.kill(old, 'SIGUSR2');
      await expect.poll(() => pidIn(`${pidFile}.oldbin`), { timeout: 10000 }).toBe(old);
      await expect.poll(() => pidIn(pidFile), { timeout: 10000 }).toBeGreaterThan(0);
      masters.push(pidIn(pidFile));
      await until(load, load.outcome.answered + 1000); // both serve
      process.kill(old, 'SIGQUIT');
      await expect.poll(() => existsSync(`/proc/${old}/exe`), { timeout: 40000 }).toBe(false);
      await changeKeys(round);
    }
    await until(load, load.outcome.answered + 1000);
    const outcome = await load.stop();
    expectQuiet(outcome, variant, overTcp);
  });
});

function parentOf(pid: number): number {
  return Number(/^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

// nginx starts its successor by the name that it was itself started with (where ld.so runs it, that must be a script),
// and not while the process lives that started it.
function replaceable(command: string[]): string[] {
  const [program, ...rest] = command as [string, ...string[]];
  const byScript = rest.length === 0 ? command : [program, '--argv0', scriptFor(program, rest), ...rest];
  return ['sh', '-c', '("$@" & sleep 1); exec sleep 1000', 'sh', ...byScript];
}

function scriptFor(loader: string, rest: string[]): string {
  const script = join(mkdtempSync(join(tmpdir(), 'keygate-scripts-')), 'nginx');
  writeFileSync(script, `#!/bin/sh\nexec ${loader} --argv0 "$0" ${rest.join(' ')} "$@"\n`, { mode: 0o755 });
  return script;
}
