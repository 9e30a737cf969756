// A sidecar on a machine of its own, as far as the network goes: in a network namespace, whose wire to the store can be
// pulled. Packets then vanish, and neither side is told. As root, or as anybody where user namespaces are allowed.

import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLink } from '../../gateway/harness/store_link.js';
import { startStore, storeCommand } from './store_server.js';

export interface Partition {
  /** How the test's own process reaches the store. */
  url: string;
  /** How the program in the namespace does. */
  urlWithin: string;
  /** Starts a program whose network is the one that is cut. */
  spawn: (program: string, args: string[], env: NodeJS.ProcessEnv) => ChildProcess;
  pull: () => Promise<void>;
  plug: () => Promise<void>;
  stop: () => Promise<void>;
}

/** Makes a store and a wire to it; where this machine has no namespaces, says so, and a proxy that keeps bytes back. */
export async function makePartition(): Promise<Partition> {
  const fault = faultOfNamespaces();
  if (fault === undefined) return makeNamespaces();
  console.warn(`NO NETWORK NAMESPACES HERE (${fault}): a proxy that keeps bytes back stands in for the wire`);
  return makeStandIn();
}

// Both namespaces belong to one shell, and end with it.
const script = `
set -e
ip link set lo up
ip link add outer type veth peer name inner
ip address add 10.77.0.1/24 dev outer
ip link set outer up
"$@" &
store=$!
unshare -n sleep 86400 &
other=$!
while [ "$(readlink /proc/$other/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
ip link set inner netns $other
nsenter -t $other -n ip link set lo up
nsenter -t $other -n ip address add 10.77.0.2/24 dev inner
nsenter -t $other -n ip link set inner up
echo $other
while read -r state; do ip link set outer "$state"; echo "$state"; done
kill -9 $store $other
`;

const enter = ['unshare', '-Urn', 'sh', '-c'];

function faultOfNamespaces(): string | undefined {
  const trial = `${script.split('"$@"')[0]}unshare -n nsenter --version`;
  const [program = '', ...args] = [...enter, trial];
  const { status, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  return status === 0 ? undefined : (error?.message ?? stderr.trim());
}

async function makeNamespaces(): Promise<Partition> {
  const folder = mkdtempSync(join(tmpdir(), 'keygate-partition-'));
  const socket = join(folder, 'store.sock');
  const lines = ['--port', '6379', '--bind', '10.77.0.1', '--protected-mode', 'no', '--save', '', '--dir', folder];
  const store = [...storeCommand('redis'), ...lines, '--unixsocket', socket];
  const [program = '', ...args] = [...enter, script, 'sh', ...store];
  const shell = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  let said = '';
  shell.stdout.on('data', (part: Buffer) => (said += part.toString()));
  const until = async (isSo: () => boolean, what: string) => {
    const endMs = performance.now() + 20000;
    while (!isSo()) {
      if (performance.now() > endMs || shell.exitCode !== null) throw new Error(`${what}: ${said}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const namespace = () => /^(\d+)$/m.exec(said)?.[1];
  await until(() => namespace() !== undefined && existsSync(socket), 'the namespaces were not made');
  const set = async (state: 'up' | 'down') => {
    const before = said.length;
    shell.stdin.write(`${state}\n`);
    await until(() => said.slice(before).includes(`${state}\n`), `the wire is not ${state}`);
  };
  return {
    url: `unix://${socket}`,
    urlWithin: 'redis://10.77.0.1:6379',
    spawn: (inner, innerArgs, env) => {
      const place = ['-t', namespace() as string, '-U', '-n', '--preserve-credentials', inner, ...innerArgs];
      return spawn('nsenter', place, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    },
    pull: () => set('down'),
    plug: () => set('up'),
    stop: async () => {
      const ended = once(shell, 'exit');
      shell.stdin.end();
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function makeStandIn(): Promise<Partition> {
  const store = await startStore();
  const link = await openLink(store.port);
  return {
    url: store.url,
    urlWithin: link.url,
    spawn: (program, args, env) => spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] }),
    pull: () => link.set('silent'),
    plug: () => link.set('open'),
    stop: async () => {
      await link.close();
      await store.stop();
    },
  };
}
