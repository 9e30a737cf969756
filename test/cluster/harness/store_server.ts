// Real Redis, Valkey and Sentinel servers: the machine's own, or Debian's unpacked into the cache, without root.

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createClient } from '@redis/client';
import { unpackPrograms } from '../../../nginx/runtime/unpack_nginx.js';
import { freePort } from '../../gateway/harness/free_port.js';

export type StoreKind = 'redis' | 'valkey';
export const storeKinds: StoreKind[] = ['redis', 'valkey'];

// The servers, and the libraries that they load.
const needed =
  /^(?:(?:redis|valkey)-(?:server|tools)|lib(?:c6|gcc-s1|stdc\+\+6|ssl3t64|systemd0|cap2|jemalloc2|lzf1|lua5\.1-0|lua-cjson|lua-bitop|atomic1|zstd1)|lua-(?:cjson|bitop)|zlib1g)$/;

/** The command that runs a server; the first call unpacks Debian's package where the machine has no such program. */
export function storeCommand(kind: StoreKind): string[] {
  const program = `${kind}-server`;
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const installed = folders.map((folder) => join(folder, program)).find((path) => existsSync(path));
  if (installed !== undefined) return [installed];
  return unpackStore(kind).command;
}

/** Debian's package, unpacked: its folder, and the command that runs the server out of it. */
export function unpackStore(kind: StoreKind): { home: string; command: string[] } {
  const program = `${kind}-server`;
  const { home, loader, libraries } = unpackPrograms('trixie', [program], (name) => needed.test(name));
  return { home, command: [loader, '--library-path', libraries, join(home, 'usr/bin', program)] };
}

export interface StoreOptions {
  kind?: StoreKind;
  /** Lines of the configuration, such as `requirepass secret` or `maxmemory 3mb`. */
  lines?: string[];
  /** Listens on a Unix socket alone. */
  isSocket?: boolean;
  /** Takes TLS alone, with this certificate. The `lines` say whether clients need one (`tls-auth-clients`). */
  tls?: { cert: string; key: string; ca: string };
  /** The port to listen on; a free one is taken otherwise. */
  port?: number;
  replicaOf?: StoreServer;
  /** Is a sentinel, which watches this store under the name `keygate` and fails over after 1 s. */
  sentinelOf?: StoreServer;
  sentinelQuorum?: number;
  password?: string;
}

export interface StoreServer {
  port: number;
  /** For REDIS_URL, without user info. */
  url: string;
  pid: () => number;
  /** A client of the test's own, connected. It goes on by itself after a restart. */
  client: () => Promise<TestClient>;
  signal: (signal: NodeJS.Signals) => void;
  /** Kills the server (SIGKILL) and waits until it is gone. */
  kill: () => Promise<void>;
  /** Starts the server again, on the same port with the same folder. */
  start: () => Promise<void>;
  /** Adds lines to the configuration of the next start. */
  configure: (...lines: string[]) => void;
  /** Kills the server and removes its folder. */
  stop: () => Promise<void>;
  log: () => string;
  folder: string;
}

export type TestClient = ReturnType<typeof createClient>;

/** Starts a server on loopback, with data in a folder of its own, and waits until it answers. */
export async function startStore(options: StoreOptions = {}): Promise<StoreServer> {
  const folder = mkdtempSync(join(tmpdir(), 'keygate-store-'));
  const port = options.isSocket === true ? 0 : (options.port ?? (await freePort()));
  const lines = [...configuration(options, { folder, port }), ...(options.lines ?? [])];
  const conf = join(folder, 'store.conf');
  const said: string[] = [];
  const clients: TestClient[] = [];
  let child: ChildProcess;
  const path = options.isSocket === true ? join(folder, 'store.sock') : undefined;

  async function start(): Promise<void> {
    // A sentinel writes what it has learned into its configuration, so that stands from the first start on.
    if (options.sentinelOf === undefined || !existsSync(conf)) writeFileSync(conf, `${lines.join('\n')}\n`);
    const [program = '', ...args] = [...storeCommand(options.kind ?? 'redis'), conf];
    const sentinel = options.sentinelOf === undefined ? [] : ['--sentinel'];
    child = spawn(program, [...args, ...sentinel], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout?.on('data', (part: Buffer) => said.push(part.toString()));
    child.stderr?.on('data', (part: Buffer) => said.push(part.toString()));
    const end = Date.now() + 20000;
    while (!(await listens(path === undefined ? { port, host: '127.0.0.1' } : { path }))) {
      if (child.exitCode !== null || Date.now() > end) throw new Error(`the store did not start\n${said.join('')}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async function kill(): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  await start();
  return {
    port,
    url: path === undefined ? `${options.tls ? 'rediss' : 'redis'}://127.0.0.1:${port}` : `unix://${path}`,
    pid: () => child.pid as number,
    client: async () => {
      const client = connectClient(options, { port, path });
      clients.push(client);
      return client.connect();
    },
    signal: (signal) => void child.kill(signal),
    kill,
    start,
    configure: (...more) => void lines.push(...more),
    stop: async () => {
      for (const client of clients) client.destroy();
      await kill();
      rmSync(folder, { recursive: true, force: true });
    },
    log: () => said.join(''),
    folder,
  };
}

function configuration(options: StoreOptions, { folder, port }: { folder: string; port: number }): string[] {
  const { tls, replicaOf, sentinelOf, password } = options;
  const lines = ['bind 127.0.0.1', 'protected-mode no', `dir ${folder}`];
  lines.push(...(tls === undefined ? [`port ${port}`] : [`tls-port ${port}`, 'port 0', 'tls-auth-clients optional']));
  if (tls !== undefined)
    lines.push(`tls-cert-file ${tls.cert}`, `tls-key-file ${tls.key}`, `tls-ca-cert-file ${tls.ca}`);
  if (options.isSocket === true) lines.push(`unixsocket ${join(folder, 'store.sock')}`, 'unixsocketperm 700');
  if (sentinelOf !== undefined) {
    lines.push(`sentinel monitor keygate 127.0.0.1 ${sentinelOf.port} ${options.sentinelQuorum ?? 1}`);
    lines.push('sentinel down-after-milliseconds keygate 1000', 'sentinel failover-timeout keygate 6000');
    return lines;
  }
  lines.push('save ""', 'appendonly no', 'repl-diskless-sync-delay 0');
  if (password !== undefined) lines.push(`requirepass ${password}`, `masterauth ${password}`);
  if (replicaOf !== undefined) lines.push(`replicaof 127.0.0.1 ${replicaOf.port}`);
  return lines;
}

function connectClient(options: StoreOptions, { port, path }: { port: number; path: string | undefined }): TestClient {
  const reconnectStrategy = () => 50;
  const socket =
    path !== undefined
      ? { path, tls: false as const, reconnectStrategy }
      : options.tls !== undefined
        ? { host: '127.0.0.1', port, tls: true as const, rejectUnauthorized: false, reconnectStrategy }
        : { host: '127.0.0.1', port, reconnectStrategy };
  const { password } = options;
  const client = createClient({ socket, ...(password === undefined ? {} : { password }), disableOfflineQueue: false });
  client.on('error', () => undefined);
  return client as TestClient;
}

function listens(place: { path: string } | { port: number; host: string }): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(place);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
