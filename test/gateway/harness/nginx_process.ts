// A real nginx of one variant, started on a configuration in `dir/nginx` and ended by its process id.

import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findNginx } from '../../../nginx/runtime/find_nginx.js';
import { send } from './client.js';
import type { Variant } from './variants.js';

export interface RunningNginx {
  pid: number;
  reload: () => void;
  /** Whether the master process still runs. */
  isRunning: () => boolean;
  stop: () => Promise<void>;
}

export interface NginxPlace {
  dir: string;
  port: number;
  env?: NodeJS.ProcessEnv;
  /** http for configurations without TLS. */
  scheme?: 'http' | 'https';
  /** Changes what runs nginx: program and first arguments. */
  command?: (command: string[]) => string[];
  /** What stands before the paths of Keygate's routes. */
  prefix?: string;
}

/** Starts nginx and waits until it answers; a failure shows its error log. */
export async function spawnNginx(variant: Variant, place: NginxPlace): Promise<RunningNginx> {
  const { command } = await findNginx(variant.runtime);
  const [program, ...rest] = (place.command?.(command) ?? command) as [string, ...string[]];
  const args = [
    ...rest,
    '-p',
    place.dir,
    '-c',
    join(place.dir, 'nginx', 'nginx.conf'),
    '-g',
    'error_log stderr notice;',
  ];
  const child = spawn(program, args.slice(0, -2), {
    env: { ...process.env, ...place.env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const said: string[] = [];
  child.stderr.on('data', (part: Buffer) => said.push(part.toString()));
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  await untilReady(place, child, () => `${said.join('')}\n${readLog(place.dir)}`);
  return {
    pid: child.pid as number,
    reload: () => child.kill('SIGHUP'),
    isRunning: () => child.exitCode === null,
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

async function untilReady(place: NginxPlace, child: ChildProcess, log: () => string): Promise<void> {
  const url = `${place.scheme ?? 'https'}://127.0.0.1:${place.port}`;
  const prefix = place.prefix ?? '';
  for (let i = 0; i < 200; i++) {
    if (child.exitCode !== null) throw new Error(`nginx ended with ${child.exitCode}\n${log()}`);
    const answer = await send(url, `${prefix}/health`).catch(() => undefined);
    if (answer !== undefined) return untilKeysTaken(url, prefix);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  child.kill('SIGKILL');
  throw new Error(`nginx did not answer in time\n${log()}`);
}

// The first look at the files comes within milliseconds of the start.
async function untilKeysTaken(url: string, prefix: string): Promise<void> {
  for (let i = 0; i < 40; i++) {
    const answer = await send(url, `${prefix}/health/ready`);
    if (answer.status !== 503 || !answer.body.includes('"keys":"failing"')) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

function readLog(dir: string): string {
  try {
    return readFileSync(join(dir, 'error.log'), 'utf8');
  } catch {
    return '';
  }
}
