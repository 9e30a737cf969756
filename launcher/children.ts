// The processes behind `npm start`. Each of them ends with the launcher, however the launcher ends.

import { readFileSync } from 'node:fs';
import { fork, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { askHealth } from '../node/ask_sidecar.js';
import type { Settings } from '../settings/read.js';
import { endNginxOf } from './nginx_processes.js';
import { Fault } from '../node/fault.js';
import { get } from 'node:https';

const dist = import.meta.dirname;
const env = { ...process.env };
delete env['GITHUB_TOKEN']; // for copilot-api alone
delete env['GITHUB_TOKEN_FILE'];
const stopMs = 5000;
const restartMs = 500;

/** Starts, watches and stops them. */
export class Children {
  /** Called when a process ended that is not started again. */
  onFatal: (what: string) => void = () => undefined;
  /** Where the sidecar's log goes. */
  sidecarLog: string | undefined;
  private sidecar: ChildProcess | undefined;
  private readonly running = new Set<ChildProcess>();
  private isStopping = false;
  private nginx: { watcher: ChildProcess; dir: string } | undefined;

  /** @returns the URL of the stand-in upstream */
  startStandIn(): Promise<string> {
    const child = this.keep(fork(join(dist, 'upstream.js'), { env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }));
    return new Promise((resolve, reject) => {
      child.once('message', (message) => resolve(`http://127.0.0.1:${(message as { port: number }).port}`));
      child.once('exit', () => reject(new Fault('the stand-in upstream did not start')));
    });
  }

  /** Starts the sidecar, waits until it answers, and starts it again whenever it ends. */
  async startSidecar(settings: Settings): Promise<void> {
    const child = this.forkSidecar();
    for (let i = 0; (await askHealth(settings.sidecar, settings.stateDir)) === undefined; i++) {
      if (hasEnded(child) || i > 300) throw new Fault('the sidecar did not start: its lines above say why');
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    child.once('exit', () => this.restartSidecar());
  }

  private forkSidecar(): ChildProcess {
    const args = this.sidecarLog === undefined ? [] : ['--log', this.sidecarLog];
    this.sidecar = this.keep(
      fork(join(dist, 'verifier.js'), args, { env, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] }),
    );
    return this.sidecar;
  }

  private restartSidecar(): void {
    if (this.isStopping) return;
    console.error('keygate: the sidecar ended; starting it again');
    setTimeout(() => {
      if (!this.isStopping) this.forkSidecar().once('exit', () => this.restartSidecar());
    }, restartMs);
  }

  /**
   * Starts nginx under a watcher that ends it when the launcher is gone.
   * @param dir its folder under STATE_DIR
   */
  startNginx(command: string[], dir: string): void {
    const watcher = this.keep(
      fork(join(dist, 'nginx_watcher.js'), [dir, ...command], { env, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] }),
    );
    this.nginx = { watcher, dir };
    watcher.once('exit', () => {
      if (!this.isStopping) this.onFatal('nginx ended: its error log says why');
    });
  }

  /** Has nginx and the sidecar open their logs anew, after somebody has moved them away. */
  reopenLogs(): void {
    for (const child of [this.sidecar, this.nginx?.watcher]) child?.kill('SIGUSR1');
  }

  /** Whether nginx was started and has ended. */
  nginxEnded = (): boolean => this.nginx !== undefined && hasEnded(this.nginx.watcher);

  /** Ends them all: nginx first, so that no request reaches a gateway without its sidecar. */
  async stop(): Promise<void> {
    this.isStopping = true;
    if (this.nginx !== undefined) {
      await endChild(this.nginx.watcher);
      await endNginxOf(this.nginx.dir); // what is left when the watcher or the master was killed
    }
    await Promise.all([...this.running].map(endChild));
  }

  private keep(child: ChildProcess): ChildProcess {
    this.running.add(child);
    child.once('exit', () => this.running.delete(child));
    return child;
  }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

function endChild(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), stopMs);
    child.once('exit', () => {
      clearTimeout(timer);
      resolve();
    });
    child.kill('SIGTERM');
  });
}

const timeoutMs = 15000;

/**
 * Waits until the gateway has taken its keys up, for 15 s at most.
 * @throws Fault when nginx ended, or answers nothing at all after that time
 */
export async function waitUntilServed(url: string, hasEnded: () => boolean, errorLog: string): Promise<void> {
  const endMs = Date.now() + timeoutMs;
  while (Date.now() < endMs) {
    if (hasEnded()) throw new Fault(`nginx ended: ${lastFault(errorLog)}`);
    const body = await ask(`${url}/health/ready`);
    if (body !== undefined && !body.includes('"keys":"failing"')) return;
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  if ((await ask(`${url}/health`)) !== undefined) return; // it serves, and its log says what is missing
  throw new Fault(`nginx did not answer within ${timeoutMs / 1000} s: see ${errorLog}`);
}

function ask(url: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const sent = get(url, { rejectUnauthorized: false, agent: false, timeout: 3000 }, (response) => {
      let body = '';
      response.on('data', (part: Buffer) => (body += part.toString()));
      response.on('end', () => resolve(body));
    });
    sent.on('timeout', () => sent.destroy());
    sent.on('error', () => resolve(undefined));
  });
}

function lastFault(errorLog: string): string {
  const lines = readFileSync(errorLog, 'utf8').split('\n');
  return lines.filter((line) => /\[(?:emerg|alert)\]/.test(line)).pop() ?? `see ${errorLog}`;
}
