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
export async function startSidecar(options: {
  env: NodeJS.ProcessEnv;
  socket: string;
}): Promise<RunningSidecar> {
  const env = { ...process.env, BCRYPT_THREADS: '1', ...options.env, VERIFIER_SOCKET: options.socket };
  const child = spawn(process.execPath, [program], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const said: string[] = [];
  child.stdout.on('data', (part: Buffer) => said.push(part.toString()));
  child.stderr.on('data', (part: Buffer) => said.push(part.toString()));
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  for (let i = 0; !(await answers(options.socket)); i++) {
    if (child.exitCode !== null || i > 200) throw new Error(`the sidecar did not start\n${said.join('')}`);
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

function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const headers = { 'content-type': 'application/vnd.keygate+json' };
    const sent = request({ socketPath, path: '/health', method: 'POST', headers }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    sent.on('error', () => resolve(false));
    sent.end('{}');
  });
}
