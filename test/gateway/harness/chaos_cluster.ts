// Five whole gateways, one store, and what goes wrong with them: each fault is noted as an outage.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { vi } from 'vitest';
import { readIfThere } from '../../../node/state_files.js';
import { makeSecretFile } from '../../cluster/harness/settings.js';
import { startStore, type StoreServer, type TestClient } from '../../cluster/harness/store_server.js';
import type { Change, Outage, Part } from './chaos_record.js';
import { startGateway, type Gateway } from './gateway.js';
import { childrenOf, watchStarvation } from './starvation.js';
import { openLink, type LinkState, type StoreLink } from './store_link.js';
import { startUpstream } from './upstream.js';
import type { Variant } from './variants.js';

const program = join(import.meta.dirname, '../../../dist/keygate_command.js');

export interface ChaosCluster {
  nodes: Gateway[];
  store: StoreServer;
  outages: Outage[];
  /** When the store lost its data. */
  losses: number[];
  cut: (node: number, state: LinkState, forMs: number) => Promise<void>;
  killSidecar: (node: number, forMs: number) => Promise<void>;
  killStore: (forMs: number) => Promise<void>;
  emptyStore: () => Promise<void>;
  /** Runs the admin command on a node; undefined where it failed. */
  keygate: (node: number, ...args: string[]) => Promise<Made | undefined>;
  waitedMs: (node: number, fromMs: number, toMs: number) => number;
  stop: () => Promise<void>;
}

export interface Made {
  change: Change;
  printed: { [name: string]: unknown };
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Starts the nodes, and waits until all have joined and see each other. */
export async function startChaosCluster(count: number, variant: Variant, down: string): Promise<ChaosCluster> {
  // What it has answered survives its death: the kernel has it, though not the disk.
  const store = await startStore({ lines: ['appendonly yes', 'appendfsync no'] });
  const upstream = await startUpstream({}, ({ headers }) => {
    return { headers: { 'x-seen-user': String(headers['x-auth-user'] ?? '') } };
  });
  const links = await Promise.all(Array.from({ length: count }, () => openLink(store.port)));
  const secret = makeSecretFile();
  const settings = links.map(({ url }, i) => {
    return { REDIS_URL: url, REDIS_DOWN: down, CLUSTER_SECRET_FILE: secret, NODE_NAME: `node-${i}` };
  });
  const nodes = await Promise.all(settings.map((env) => startGateway({ variant, upstream, workers: 2, env })));
  await vi.waitFor(() => haveJoined(nodes), { timeout: 90000, interval: 200 });
  const starvation = watchStarvation({
    store: () => [store.pid()],
    network: () => [process.pid], // the links are here
    ...Object.fromEntries(nodes.map(({ nginx }, i) => [`nginx ${i}`, () => childrenOf(nginx.pid)])),
    ...Object.fromEntries(nodes.map((node, i) => [`sidecar ${i}`, () => pidOfSidecar(node)])),
  });
  const faults = makeFaults({ nodes, store, links, client: await store.client() });
  return {
    nodes,
    store,
    ...faults,
    keygate: (node, ...args) => runCommand(nodes[node] as Gateway, node, { ...settings[node] }, args),
    waitedMs: (node, fromMs, toMs) =>
      starvation.waitedMs(['store', 'network', `sidecar ${node}`, `nginx ${node}`], fromMs, toMs),
    stop: async () => {
      starvation.stop();
      await Promise.all(nodes.map((node) => node.stop()));
      await Promise.all(links.map((link) => link.close()));
      await upstream.close();
      await store.stop();
    },
  };
}

async function haveJoined(nodes: Gateway[]): Promise<void> {
  for (const { send, stateDir } of nodes) {
    const { status, body } = await send('/health/ready');
    if (status !== 200) throw new Error(`not ready: ${body}`);
    const seen = readIfThere(join(stateDir, 'shared', 'nodes'));
    if (seen !== `${nodes.length}\n`) throw new Error(`sees ${seen} nodes`);
  }
}

function pidOfSidecar({ sidecar }: Gateway): number[] {
  return sidecar === undefined ? [] : [sidecar.pid];
}

interface Parts {
  nodes: Gateway[];
  store: StoreServer;
  links: StoreLink[];
  client: TestClient;
}

function makeFaults({ nodes, store, links, client }: Parts) {
  const outages: Outage[] = [];
  const losses: number[] = [];
  const during = async (part: Part, forMs: number, steps: { begin: () => unknown; end: () => unknown }) => {
    const outage: Outage = { part, fromMs: Date.now(), toMs: Infinity };
    outages.push(outage);
    await steps.begin();
    await pause(forMs);
    await steps.end();
    outage.toMs = Date.now();
  };
  return {
    outages,
    losses,
    cut: (node: number, state: LinkState, forMs: number) => {
      const link = links[node] as StoreLink;
      return during(node, forMs, { begin: () => link.set(state), end: () => link.set('open') });
    },
    killSidecar: (node: number, forMs: number) => {
      const gateway = nodes[node] as Gateway;
      return during(node, forMs, { begin: () => gateway.sidecar?.stop(), end: () => gateway.startSidecar() });
    },
    killStore: (forMs: number) => during('store', forMs, { begin: () => store.kill(), end: () => store.start() }),
    emptyStore: async () => {
      await during('store', 0, { begin: () => client.sendCommand(['FLUSHALL']), end: () => undefined });
      losses.push(Date.now());
    },
  };
}

async function runCommand(gateway: Gateway, node: number, settings: NodeJS.ProcessEnv, args: string[]) {
  const { stateDir, keysFile } = gateway;
  const env = { ...process.env, ...settings, STATE_DIR: stateDir, API_KEYS_FILE: keysFile };
  const startedMs = Date.now();
  const child = spawn(process.execPath, [program, '--json', ...args], { env, stdio: ['ignore', 'pipe', 'ignore'] });
  const parts: Buffer[] = [];
  child.stdout.on('data', (part: Buffer) => parts.push(part));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) return undefined;
  const printed = JSON.parse(Buffer.concat(parts).toString()) as { [name: string]: unknown };
  const line = readFileSync(join(stateDir, 'audit.log'), 'utf8').trim().split('\n').at(-1) ?? '{}';
  const atMs = Date.parse((JSON.parse(line) as { time: string }).time); // the command then waits until nginx has it
  return { printed, change: { node, startedMs, atMs, isPublished: printed['published'] !== false } };
}
