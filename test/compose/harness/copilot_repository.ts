// A small git repository with what copilot-api's image is built from, served to the engine's network.

import { execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../gateway/harness/free_port.js';

export interface CopilotRepository {
  /** For .env. */
  settings: { COPILOT_API_REPO: string; COPILOT_API_REF: string };
  stop: () => void;
}

/** Serves it by git's own protocol until stopped. */
export async function serveCopilotRepository(): Promise<CopilotRepository> {
  const base = mkdtempSync(join(tmpdir(), 'keygate-copilot-'));
  const dir = join(base, 'copilot-api');
  cpSync(join(import.meta.dirname, '../copilot_repo'), dir, { recursive: true });
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=test', '-c', 'user.email=test@localhost', ...args], {
      cwd: dir,
      stdio: 'ignore',
    });
  git('init', '-q', '-b', 'main');
  git('add', '-A');
  git('commit', '-q', '-m', 'as published');
  git('tag', 'v0.7.0');
  const address = engineAddress();
  const port = await freePort();
  const args = [
    'daemon',
    '--export-all',
    '--reuseaddr',
    `--base-path=${base}`,
    `--listen=${address}`,
    `--port=${port}`,
  ];
  const daemon = spawn('git', args, { stdio: 'ignore', detached: true });
  return {
    settings: { COPILOT_API_REPO: `git://${address}:${port}/copilot-api`, COPILOT_API_REF: 'v0.7.0' },
    stop: () => {
      process.kill(-(daemon.pid as number)); // git starts the daemon as a program of its own
      rmSync(base, { recursive: true, force: true });
    },
  };
}

// This machine as builds see it: the first address of Docker's own network.
function engineAddress(): string {
  const format = '{{range .IPAM.Config}}{{.Subnet}} {{end}}';
  const subnets = execFileSync('docker', ['network', 'inspect', 'bridge', '-f', format], {
    encoding: 'utf8',
  });
  return subnets.split(/[/ ]/)[0]?.replace(/\.0$/, '.1') ?? '127.0.0.1';
}
