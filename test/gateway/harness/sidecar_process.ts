// The real sidecar as a process of its own, on a Unix socket.

import { spawn } from 'node:child_process';
import { request } from 'node:http';
import { join } from 'node:path';

export interface RunningSidecar {
  pid: number;
  log: () => string;
  kill: (signal: NodeJS.Signals) => void;
  stop: () => Promise<void>;
}

const program = join(import.meta.dirname, '../../../dist/verifier.js');

/** Starts the sidecar and waits until it answers. */
export async function startSidecar(options: { env: NodeJS.ProcessEnv; socket: string }): Promise<RunningSidecar> {
  const env = { ...process.env, BCRYPT_THREADS: '1', ...options.env, VERIFIER_SOCKET: options.socket };
  const child = spawn(process.execPath, [program], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const said: string[] = [];
  child.stdout.on('data', (part: Buffer) => said.push(part.toString()));
  child.stderr.on('data', (part: Buffer) => said.push(part.toString()));
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const listen = options.env['VERIFIER_LISTEN'];
  const place =
    listen === undefined ? { socketPath: options.socket } : { host: '127.0.0.1', port: Number(listen.split(':')[1]) };
  for (let i = 0; !(await answers(place)); i++) {
    if (child.exitCode !== null || i > 800) throw new Error(`the sidecar did not start\n${said.join('')}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return {
    pid: child.pid as number,
    log: () => said.join(''),
    kill: (signal) => child.kill(signal),
    stop: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

// 403 is an answer too: over TCP the test does not know the secret.
function answers(place: { socketPath: string } | { host: string; port: number }): Promise<boolean> {
  return new Promise((resolve) => {
    const headers = { 'content-type': 'application/vnd.keygate+json' };
    const sent = request({ ...place, path: '/health', method: 'POST', headers }, (response) => {
      response.resume();
      resolve(response.statusCode === 200 || response.statusCode === 403);
    });
    sent.on('error', () => resolve(false));
    sent.end('{}');
  });
}
