// What is measured, as processes on loopback, and how much CPU time and memory each has used.

import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import type { Files } from './configurations.js';

export interface Running {
  /** CPU time of the one worker so far, in microseconds. */
  cpuMicros: () => number;
  /** Resident memory of the one worker, in KB: its own, and what it shares (proc(5), RssAnon and RssShmem). */
  memory: () => { anonymousKb: number; sharedKb: number };
  stop: () => Promise<void>;
}

/** Starts nginx on files and waits until it listens. */
export async function startNginx(
  command: string[],
  { dir, port }: { dir: string; port: number },
  files: Files,
): Promise<Running> {
  mkdirSync(join(dir, 'temp'), { recursive: true });
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, 'nginx', path)), { recursive: true });
    writeFileSync(join(dir, 'nginx', path), content);
  }
  const [program, ...rest] = command as [string, ...string[]];
  const args = [...rest, '-p', dir, '-c', join(dir, 'nginx', 'nginx.conf')];
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  await untilListening(child, port);
  return observe(child, await findWorker(child));
}

/** Starts any other program that listens. */
export async function startProgram(program: string, args: string[], port: number): Promise<Running> {
  const child = spawn(program, args, { stdio: 'ignore' });
  await untilListening(child, port);
  return observe(child, String(child.pid));
}

/** Starts the sidecar on a socket. */
export async function startSidecar(stateDir: string): Promise<{ stop: () => Promise<void> }> {
  const socket = join(stateDir, 'run', 'verifier.sock');
  const keys = join(stateDir, 'keys', 'api_keys.txt');
  const env = { ...process.env, STATE_DIR: stateDir, VERIFIER_SOCKET: socket, API_KEYS_FILE: keys };
  const program = join(import.meta.dirname, 'verifier.js');
  const child = spawn(process.execPath, [program], { env, stdio: 'ignore' });
  await untilListening(child, socket);
  return { stop: () => stop(child) };
}

// nginx listens before it has a worker.
async function findWorker({ pid }: ChildProcess): Promise<string> {
  for (let i = 0; i < 200; i++) {
    const worker = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0];
    if (worker) return worker;
    await pause(25);
  }
  throw new Error(`nginx (${pid}) has no worker`);
}

function observe(child: ChildProcess, pid: string): Running {
  return {
    // proc(5): nanoseconds on a CPU come first.
    cpuMicros: () => Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1000,
    memory: () => memoryOf(pid),
    stop: () => stop(child),
  };
}

function memoryOf(pid: string): { anonymousKb: number; sharedKb: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kb = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]);
  return { anonymousKb: kb('RssAnon'), sharedKb: kb('RssShmem') };
}

async function untilListening(child: ChildProcess, at: number | string): Promise<void> {
  for (let i = 0; i < 200; i++) {
    if (child.exitCode !== null) throw new Error(`${child.spawnfile} ended with ${child.exitCode}`);
    if (await isListening(at)) return;
    await pause(25);
  }
  throw new Error(`${child.spawnfile} does not listen on ${at}`);
}

function isListening(at: number | string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = typeof at === 'string' ? connect(at) : connect(at, '127.0.0.1');
    socket.once('connect', () => (socket.destroy(), resolve(true)));
    socket.once('error', () => resolve(false));
  });
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await ended;
}

/** Waits. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
