// A fresh clone: what git knows of, without .env, dist/ and node_modules.

import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../gateway/harness/free_port.js';

const root = join(import.meta.dirname, '../../..');

export interface Ran {
  status: number | null;
  stdout: string;
  /** Both streams. */
  said: string;
}

export interface Clone {
  dir: string;
  project: string;
  port: number;
  url: string;
  /** Runs a command of a shell in the clone's folder. */
  run: (command: string, env?: NodeJS.ProcessEnv) => Ran;
  /** Takes containers, volumes and images away. */
  remove: () => void;
}

/** Copies the working tree; `docker compose` in it uses a project and a port of its own. */
export async function makeClone(project: string): Promise<Clone> {
  const dir = mkdtempSync(join(tmpdir(), 'keygate-clone-'));
  const listed = execFileSync('git', ['ls-files', '-z', '-co', '--exclude-standard'], { cwd: root });
  for (const file of listed.toString().split('\0')) {
    if (file !== '' && existsSync(join(root, file))) cpSync(join(root, file), join(dir, file));
  }
  const port = await freePort();
  const base = { ...process.env, COMPOSE_PROJECT_NAME: project, LISTEN_PORT: String(port) };
  const run = (command: string, env: NodeJS.ProcessEnv = {}) => {
    const options = { cwd: dir, env: { ...base, ...env }, encoding: 'utf8', timeout: 300000 } as const;
    const { status, stdout, stderr } = spawnSync('bash', ['-c', command], options);
    return { status, stdout, said: stdout + stderr };
  };
  run('docker compose --profile copilot down --volumes --timeout 0'); // of an interrupted run
  return {
    dir,
    project,
    port,
    url: `https://127.0.0.1:${port}`,
    run,
    remove: () => {
      run('docker compose --profile copilot down --volumes --rmi local --timeout 2 --remove-orphans');
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
