// `npm run bench`: what Keygate costs, beside plain nginx of the same binary and beside its peers.
// --quick: fewer and shorter rounds, without peers. --json: the figures as one line of JSON at the end.

import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { findNginx } from '../build/nginx_runtime.js';
import { compare, type Comparison, type Rounds, type Subject } from './comparison.js';
import * as configurations from './configurations.js';
import { makeKeys, makeSigner, signTokens, withoutSignature } from './credentials.js';
import { measureFlood, writeFloodedKeys, type FloodFigures } from './flood.js';
import { checkWrk, runWrk } from './load.js';
import { measureMemory, type MemorySample } from './memory.js';
import { measurePeers } from './peers.js';
import { freePort, startNginx, startSidecar } from './processes.js';
import { writeReport } from './report.js';

const { values: options } = parseArgs({ options: { quick: { type: 'boolean' }, json: { type: 'boolean' } } });
const isQuick = options.quick === true;
const freshTokens = isQuick ? 8000 : 16000; // more than are checked in a second
const freshKeys = 16000;
const connections = 32;

/** Figures by name; the names are those of the JSON line. */
export type Figures = { [name: string]: Comparison };

checkWrk();
const dir = mkdtempSync(join(tmpdir(), 'keygate-bench-'));
const stops: (() => Promise<void>)[] = [];
try {
  await run();
} finally {
  for (const stop of stops.reverse()) await stop();
  rmSync(dir, { recursive: true, force: true });
}

async function run(): Promise<void> {
  const runtime = await findNginx({ runtime: 'auto' });
  const stateDir = join(dir, 'state');
  for (const part of ['keys', 'public', 'run']) mkdirSync(join(stateDir, part), { recursive: true });
  const [rsa, ec] = [await makeSigner('RS256'), await makeSigner('ES256')];
  const jwksPath = join(dir, 'jwks.json');
  writeFileSync(jwksPath, JSON.stringify({ keys: [rsa.jwk, ec.jwk] }));
  const { keys, lines } = makeKeys(freshKeys);
  const keysFile = join(stateDir, 'keys', 'api_keys.txt');
  writeFileSync(keysFile, lines);
  const listFile = (name: string, list: string[]) => {
    writeFileSync(join(dir, name), list.join('\n'));
    return join(dir, name);
  };
  say(`signing ${2 * freshTokens} tokens`);
  const [rsaTokens, ecTokens] = [await signTokens(rsa, freshTokens), await signTokens(ec, freshTokens)];

  const upstreamPort = await freePort();
  const place = (name: string, port: number) => ({ dir: join(dir, name), port, upstreamPort });
  const start = async (name: string, files: (place: configurations.Place) => configurations.Files): Promise<Subject> => {
    const port = name === 'upstream' ? upstreamPort : await freePort();
    const process = await startNginx(runtime.command, join(dir, name), port, files(place(name, port)));
    stops.push(process.stop);
    return { name, port, process };
  };
  const sidecar = await startSidecar(stateDir);
  stops.push(sidecar.stop);
  await start('upstream', configurations.upstream);
  const plain = await start('plain', configurations.plain);
  const gate = (engine: 'qjs' | 'njs', entry: 'access' | 'auth_request', module?: string) => (at: configurations.Place) =>
    configurations.gated(at, { engine, entry, modulePath: runtime.modulePath, nginxVersion: runtime.nginxVersion, stateDir, jwksPath, module });
  const access = await start('access', gate('qjs', 'access'));
  const authRequest = await start('auth_request', gate('qjs', 'auth_request'));
  const old = await start('es5', gate('njs', 'access'));
  await pause(1500); // keys are taken up, start-up work is over

  // A new generation makes every remembered verdict void. By the deny list: a small file is taken up at once, while the
  // worker that is measured would parse 16,000 keys for a while.
  const forget = async () => {
    appendFileSync(join(stateDir, 'keys', 'denied.txt'), `jti:${Date.now()}\n`);
    await pause(1200);
  };
  const scriptFile = join(dir, 'wrk.lua');
  const seconds = isQuick ? 1 : 3;
  const known = { seconds, connections, scriptFile, header: 'Authorization', value: `Bearer ${rsaTokens[0]}` };
  const once = (name: string, list: string[], header = 'Authorization') => {
    const values = header === 'Authorization' ? list.map((one) => `Bearer ${one}`) : list;
    return { seconds: 1, connections, scriptFile, header, listFile: listFile(name, values) };
  };
  const count = isQuick ? 3 : 5;
  const fresh: Rounds = { count: isQuick ? 2 : count, prepare: forget };
  const figures: Figures = {};
  const measure = async (name: string, subject: Subject, aim: Parameters<typeof compare>[2], rounds: Rounds) => {
    const figure = await compare(subject, plain, aim, rounds);
    figures[name] = figure;
    say(`${name.padEnd(22)} ${figure.ratio.toFixed(2)} of plain nginx's ${Math.round(figure.plainPerSecond)} requests/s, +${figure.addedMicros.toFixed(1)} us CPU`);
  };
  await compare(access, plain, known, { count: 1 }); // warms everything up
  await measure('access_cached', access, known, { count });
  await measure('auth_request_cached', authRequest, known, { count });
  await measure('es5_cached', old, known, { count });
  await measure('rs256_fresh', access, once('rs256', rsaTokens), fresh);
  await measure('es256_fresh', access, once('es256', ecTokens), fresh);
  await measure('apikey_first', access, once('keys', keys, 'x-api-key'), fresh);
  await measure('deny_random', access, once('forged', withoutSignature(rsaTokens)), { ...fresh, isRefusing: true });
  if (!isQuick) {
    const crowded = await start('crowded', gate('qjs', 'access'));
    await compare(crowded, plain, { ...known, seconds: 1, connections: 200 }, { count: 1 }); // nginx keeps the contexts, and uses them in turn
    await measure('access_after_crowd', crowded, known, { count });
    const tokens = once('rs256', rsaTokens);
    const useOnce = async () => {
      await forget();
      await runWrk({ ...tokens, port: access.port, isOnce: true, seconds: 60 });
    };
    await measure('rs256_elsewhere', access, tokens, { count, prepare: useOnce });
    const peers = await measurePeers({ dir, start, plain, known, count, gateWith: (module) => gate('qjs', 'access', module), rsaJwk: rsa.jwk, socket: join(stateDir, 'run', 'verifier.sock'), key: keys[0] as string, upstreamPort, stops });
    const halfLoad = await measureHalfLoad(access, plain, { ...known, seconds: 8 }, figures['access_cached'] as Comparison);
    const memory = await measureMemory({ subject: await start('memory', gate('qjs', 'access')), signer: ec, dir, connections });
    sayMemory(memory);
    const floodDir = join(dir, 'flooded-state');
    const key = await writeFloodedKeys(floodDir);
    let floodedSidecar = await startSidecar(floodDir);
    stops.push(() => floodedSidecar.stop());
    const restartSidecar = async () => {
      await floodedSidecar.stop();
      floodedSidecar = await startSidecar(floodDir);
    };
    const flooded = await start('flooded', (at) => configurations.gated(at, { engine: 'qjs', entry: 'access', modulePath: runtime.modulePath, nginxVersion: runtime.nginxVersion, stateDir: floodDir, jwksPath, isLimited: true }));
    await pause(1500);
    const flood = await measureFlood({ subject: flooded, aim: { ...known, header: 'x-api-key', value: key }, rounds: 3, dir, restartSidecar });
    sayFlood(flood);
    await writeReport({ figures, peers, halfLoad, memory, flood, runtime, connections, freshTokens, count, seconds });
    say('written: docs/benchmarks.md, docs/benchmarks.svg');
  }
  if (options.json === true) console.log(JSON.stringify(Object.fromEntries(Object.entries(figures).map(([name, one]) => [name, { ratio: round(one.ratio, 3), added_us: round(one.addedMicros, 2) }]))));
} // prettier-ignore

// Latency where nothing queues: each connection waits, so that together they ask for half of the peak.
async function measureHalfLoad(access: Subject, plain: Subject, aim: Parameters<typeof compare>[2], peak: Comparison): Promise<Comparison> {
  const pauseMs = 4;
  const half = Math.round((peak.perSecond / 2) * ((pauseMs + 0.3) / 1000));
  const figure = await compare(access, plain, { ...aim, connections: half, pauseMs }, { count: 5 });
  say(`p99 at half load        ${figure.p99Ms.toFixed(2)} ms, plain nginx ${figure.plainP99Ms.toFixed(2)} ms`);
  return figure;
} // prettier-ignore

function sayMemory(samples: MemorySample[]): void {
  for (const { tokens, anonymousKb, sharedKb } of samples) say(`memory after ${tokens} tokens  ${anonymousKb} KB, and ${sharedKb} KB shared`);
} // prettier-ignore

function sayFlood({ atPeak, paced, wrongPerSecond, answers }: FloodFigures): void {
  for (const { flood, perSecond, ratio, p99Ms } of [...atPeak, ...paced]) say(`flood: ${flood.padEnd(12)}  ${Math.round(perSecond)} requests/s, ${ratio.toFixed(2)}, p99 ${p99Ms.toFixed(2)} ms`);
  say(`${Math.round(wrongPerSecond)} wrong keys/s, answered ${JSON.stringify(answers)}`);
} // prettier-ignore

function say(text: string): void {
  console.error(text);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
