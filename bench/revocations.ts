// How long after a revocation on one node all workers of all nodes refuse: five whole gateways as `npm start` starts
// them, nginx in the path, and a real store. The time begins before the change opens its connection to the store, and
// ends with the answer by which the last kept connection was refused for the first time.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { Agent, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { parseKeyLine } from '../auth/key_line.js';
import { revokedName } from '../auth/snapshot.js';
import { changeSnapshot, type Content } from '../cluster/change.js';
import { findFreePort } from '../launcher/facts.js';
import { nodePlatform } from '../node/crypto.js';
import { readSettings, type Settings } from '../settings/read.js';
import { pause } from './processes.js';
import { say, type Stand } from './stand.js';

const nodeCount = 5;
const revocations = 200;
/** Of each node: so many that each of its workers has some. */
const connectionsOfNode = 6;
const everyMs = 10;
const startMs = 120000;
const patienceMs = 30000;

interface Node {
  port: number;
  settings: Settings;
}

async function startNode(dir: string, shared: { [name: string]: string }, stops: Stand['stops']): Promise<Node> {
  const port = await findFreePort();
  const off = { RATE_LIMIT_API: 'off', RATE_LIMIT_AUTH: 'off', METRICS_PORT: 'off' };
  const env = { ...process.env, ...shared, ...off, STATE_DIR: dir, LISTEN_PORT: String(port) };
  mkdirSync(dir, { recursive: true });
  const child = spawn(process.execPath, [join(import.meta.dirname, 'start.js')], { env, stdio: 'ignore' });
  stops.push(async () => {
    const ended = child.exitCode === null ? once(child, 'exit') : undefined;
    child.kill('SIGTERM');
    await ended;
  });
  return { port, settings: readSettings(env) };
}

function ask(port: number, path: string, { agent, key = '' }: { agent: Agent; key?: string }): Promise<number> {
  return new Promise((resolve) => {
    const options = { port, host: '127.0.0.1', path, agent, headers: { 'x-api-key': key } };
    const sent = request(options, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode ?? 0));
    });
    sent.on('error', () => resolve(0));
    sent.end();
  });
}

async function until(port: number, path: string, asking: { agent: Agent; key?: string; status: number; ms: number }) {
  const endMs = performance.now() + asking.ms;
  while ((await ask(port, path, asking)) !== asking.status) {
    if (performance.now() > endMs) throw new Error(`bench --revocations: ${path} never answered ${asking.status}`);
    await pause(everyMs);
  }
}

function change(node: Node, isRevocation: boolean, edit: (content: Content, entrySecret: string) => Content) {
  const { cluster, stateDir } = node.settings;
  if (cluster === undefined) throw new Error('bench --revocations: expected REDIS_URL, a store to measure with');
  return changeSnapshot({ settings: cluster, stateDir, isRevocation }, (content, keys) =>
    edit(content, keys.entrySecret),
  );
}

function revoke(node: Node, line: string) {
  const entry = parseKeyLine(line, 0, nodePlatform);
  if ('problem' in entry) throw new Error(entry.problem);
  return change(node, true, (content, entrySecret) => {
    return { ...content, revoked: [...content.revoked, revokedName(entry, entrySecret, nodePlatform)] };
  });
}

/** Revokes keys one after the other on nodes in turn, and prints after how long all had refused. */
export async function measureRevocations(dir: string, stops: Stand['stops']): Promise<void> {
  const upstream = createServer((_, response) => response.end('upstream')).listen(0, '127.0.0.1');
  await once(upstream, 'listening');
  stops.push(async () => void upstream.close());
  const secretFile = join(dir, 'cluster_secret');
  writeFileSync(secretFile, randomBytes(32).toString('base64url'), { mode: 0o600 });
  const shared = {
    CLUSTER_SECRET_FILE: secretFile,
    REDIS_PREFIX: `bench-${randomBytes(4).toString('hex')}`,
    UPSTREAM_URL: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`,
  };
  const starting = Array.from({ length: nodeCount }, (_, i) =>
    startNode(join(dir, `node-${i}`), { ...shared, NODE_NAME: `node-${i}` }, stops),
  );
  const nodes = await Promise.all(starting);
  const once200 = { agent: new Agent({ rejectUnauthorized: false }), status: 200, ms: startMs };
  await Promise.all(nodes.map(({ port }) => until(port, '/health/ready', once200)));
  const names = Array.from({ length: revocations }, (_, i) => `key-${i}-${randomBytes(12).toString('hex')}`);
  await change(nodes[0] as Node, false, (content) => ({ ...content, keys: names }));
  say(`${nodeCount} nodes are ready`);
  sayTimes(await measureEach(nodes, names));
}

async function measureEach(nodes: Node[], names: string[]): Promise<number[]> {
  const clients = nodes.flatMap((node) =>
    Array.from({ length: connectionsOfNode }, () => ({
      port: node.port,
      agent: new Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false }),
    })),
  );
  const times: number[] = [];
  for (const [i, name] of names.entries()) {
    const asking = { key: name, ms: patienceMs };
    await Promise.all(clients.map(({ port, agent }) => until(port, '/v1/models', { ...asking, agent, status: 200 })));
    const begunMs = performance.now();
    const refused = clients.map(({ port, agent }) => until(port, '/v1/models', { ...asking, agent, status: 401 }));
    await revoke(nodes[i % nodeCount] as Node, name);
    await Promise.all(refused);
    times.push(performance.now() - begunMs);
    if (i % 50 === 49) say(`${i + 1} revocations`);
  }
  for (const { agent } of clients) agent.destroy();
  return times;
}

function sayTimes(times: number[]): void {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (part: number) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0);
  say(`${times.length} revocations, ${nodeCount} nodes: all refused after`);
  say(`median ${at(0.5)} ms, p90 ${at(0.9)} ms, p99 ${at(0.99)} ms, longest ${at(1)} ms`);
}
