// An nginx with njs, and what it can do.

import { spawnSync } from 'node:child_process';
import type { Engine } from '../versions.js';
import { askNjsVersion } from './probe_njs.js';

export interface NginxRuntime {
  name: string;
  /** Program and first arguments; nginx's own come after them. */
  command: string[];
  /** Empty where njs is built in. */
  modulePath: string;
  nginxVersion: string;
  njsVersion: string;
  engines: Engine[];
}

/** The file that njs is in. */
export const moduleFile = 'ngx_http_js_module.so';

/** Folders in which packages put nginx's modules. */
export const modulePaths = [
  '/usr/lib/nginx/modules',
  '/usr/lib64/nginx/modules',
  '/usr/local/lib/nginx/modules',
  '/etc/nginx/modules',
];

/** @returns the nginx of this machine, if there is one */
export function findProgram(): string | undefined {
  const programs = ['nginx', '/usr/sbin/nginx', '/usr/local/sbin/nginx'];
  return programs.find((one) => spawnSync(one, ['-v']).status === 0);
}

const described = new Map<string, NginxRuntime>();

/** @returns what this nginx can do with this module; undefined where the two don't run together */
export async function describeNginx(
  name: string,
  command: string[],
  modulePath: string,
): Promise<NginxRuntime | undefined> {
  const pair = [...command, modulePath].join(' ');
  const known = described.get(pair);
  if (known !== undefined) return known;
  const version = spawnSync(command[0] as string, [...command.slice(1), '-v'], { encoding: 'utf8' });
  const nginxVersion = /nginx\/(\d+\.\d+\.\d+)/.exec(version.stderr ?? '')?.[1];
  if (nginxVersion === undefined) return undefined;
  const engines: Engine[] = [];
  let njsVersion = '';
  for (const engine of ['qjs', 'njs'] as const) {
    const answered = await askNjsVersion({ command, modulePath, engine });
    if (answered === undefined) continue;
    engines.push(engine);
    njsVersion = answered;
  }
  if (engines.length === 0) return undefined;
  const runtime = { name, command, modulePath, nginxVersion, njsVersion, engines };
  described.set(pair, runtime);
  return runtime;
}
