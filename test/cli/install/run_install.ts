// `keygate install` of this build, run as a person at a shell runs it.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../../..');

export const program = join(root, 'dist/keygate_command.js');

export const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };

/** @param cwd the directory to run it in */
export function runInstall(cwd: string, args: string[]) {
  const env = { STATE_DIR: join(cwd, 'state'), ...process.env }; // not the gateway's of this machine
  const ran = spawnSync(process.execPath, [program, 'install', ...args], { cwd, env, encoding: 'utf8' });
  return { code: ran.status, out: ran.stdout, err: ran.stderr };
}
