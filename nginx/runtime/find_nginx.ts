// Which nginx to run: the system's where its njs is new enough, else one unpacked from Debian packages.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { isAtLeast } from '../snippet_files.js';
import { askNjsVersion } from './probe_njs.js';
import { unpackNginx, type Suite } from './unpack_nginx.js';

export interface NginxRuntime {
  name: string;
  /** Program and first arguments; nginx's own come after them. */
  command: string[];
  /** Empty where njs is built in. */
  modulePath: string;
  nginxVersion: string;
  njsVersion: string;
  engines: ('qjs' | 'njs')[];
  /** njs 1.0.1 or newer: js_access exists and can't be bypassed. */
  hasJsAccess: boolean;
}

/** A fault that the person who starts the gateway can mend; the message says how. */
export class RuntimeFault extends Error {}

const suites: { [name: string]: Suite } = { debian13: 'trixie', debian14: 'forky' };

/**
 * Finds or unpacks an nginx with njs.
 * @throws RuntimeFault when there is none
 */
export async function findNginx(options: {
  runtime: 'auto' | 'system' | 'debian13' | 'debian14';
}): Promise<NginxRuntime> {
  const { runtime } = options;
  if (runtime === 'auto' || runtime === 'system') {
    const system = await findSystemNginx();
    if (runtime === 'system' && system === undefined) {
      throw new RuntimeFault(
        'NGINX_RUNTIME=system: no nginx with ngx_http_js_module was found: install it (libnginx-mod-http-js, ' +
          'nginx-module-njs) or set NGINX_RUNTIME=auto',
      );
    }
    if (system !== undefined && (runtime === 'system' || system.hasJsAccess)) return system;
  }
  const suite = suites[runtime] ?? 'forky';
  const unpacked = await unpackNginx(suite);
  const found = await describeNginx(`Debian ${suite}`, unpacked.command, unpacked.modulePath);
  if (found === undefined)
    throw new RuntimeFault(`nginx unpacked from Debian ${suite} does not run: ${unpacked.command.join(' ')}`);
  return found;
}

/** Folders in which packages put nginx's modules. */
export const modulePaths = [
  '/usr/lib/nginx/modules',
  '/usr/lib64/nginx/modules',
  '/usr/local/lib/nginx/modules',
  '/etc/nginx/modules',
];

async function findSystemNginx(): Promise<NginxRuntime | undefined> {
  const module = modulePaths.map((path) => join(path, 'ngx_http_js_module.so')).find((path) => existsSync(path));
  const program = findProgram();
  return module === undefined || program === undefined ? undefined : describeNginx('system', [program], module);
}

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
  const engines: NginxRuntime['engines'] = [];
  let njsVersion = '';
  for (const engine of ['qjs', 'njs'] as const) {
    const answered = await askNjsVersion({ command, modulePath, engine });
    if (answered === undefined) continue;
    engines.push(engine);
    njsVersion = answered;
  }
  if (engines.length === 0) return undefined;
  const hasJsAccess = isAtLeast(njsVersion, '1.0.1');
  const runtime = { name, command, modulePath, nginxVersion, njsVersion, engines, hasJsAccess };
  described.set(pair, runtime);
  return runtime;
}
