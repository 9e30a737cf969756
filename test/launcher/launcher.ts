// `npm start` as tests run it: the built launcher, each time in a working folder of its own.

import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';

/** The launcher behind `npm start`. */
export const program = join(import.meta.dirname, '../../dist/start.js');
const started: ChildProcess[] = [];
const stateDirs: string[] = [];

export interface Run {
  child: ChildProcess;
  said: () => string;
  ended: Promise<number | null>;
}

/** Starts it; `endAll` ends it. */
export function run(env: NodeJS.ProcessEnv, command = [process.execPath, program]): Run {
  const [file, ...args] = command as [string, ...string[]];
  const cwd = mkdtempSync(join(tmpdir(), 'keygate-cwd-'));
  const child = spawn(file, args, { cwd, env: { ...process.env, METRICS_PORT: 'off', ...env } });
  started.push(child);
  const parts: string[] = [];
  child.stdout.on('data', (part: Buffer) => parts.push(part.toString()));
  child.stderr.on('data', (part: Buffer) => parts.push(part.toString()));
  const ended = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)));
  return { child, said: () => parts.join(''), ended };
}

/** @returns the URL that it serves */
export async function ready(one: Run): Promise<string> {
  await expect.poll(() => one.said(), { timeout: 30000 }).toMatch(/^keygate ready https:\/\/\S+$/m);
  return /^keygate ready (\S+)$/m.exec(one.said())?.[1] ?? '';
}

/** A new folder. */
export function stateDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'keygate-state-'));
  stateDirs.push(dir);
  return dir;
}

/** Processes of one STATE_DIR, by their command lines, environments and open files. */
export function processesOf(dir: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      const texts = ['cmdline', 'environ'].map((file) => readFileSync(`/proc/${pid}/${file}`, 'latin1'));
      return [...texts, ...openFilesOf(pid)].some((text) => text.includes(dir));
    } catch {
      return false;
    }
  });
}

function openFilesOf(pid: string): string[] {
  return readdirSync(`/proc/${pid}/fd`).map((file) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${file}`);
    } catch {
      return ''; // closed meanwhile
    }
  });
}

/** Kills what tests started, and what those started. */
export function endAll(): void {
  for (const child of started.splice(0)) child.kill('SIGKILL');
  for (const dir of stateDirs.splice(0)) kill(processesOf(dir));
}

/** Kills processes, all at once. */
export function kill(pids: (string | number)[]): void {
  for (const pid of pids) {
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // it has ended meanwhile
    }
  }
}
