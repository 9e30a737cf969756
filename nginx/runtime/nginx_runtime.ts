// An nginx with njs, and what it can do.

import { spawnSync, spawn } from 'node:child_process';
import type { Engine } from '../versions.js';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

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
  const before = described.get(pair);
  if (before !== undefined) return before;
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

export interface NjsProbe {
  /** Program and first arguments of nginx. */
  command: string[];
  /** Empty where njs is built in. */
  modulePath: string;
  engine: 'qjs' | 'njs';
}

/** @returns the version of njs, or undefined where this nginx does not take the engine */
export async function askNjsVersion(probe: NjsProbe): Promise<string | undefined> {
  const dir = mkdtempSync(join(tmpdir(), 'keygate-probe-'));
  writeFileSync(join(dir, 'probe.js'), 'export default { version: (r) => r.return(200, njs.version) };\n');
  writeFileSync(join(dir, 'nginx.conf'), configuration(probe, dir));
  const [program, ...rest] = probe.command as [string, ...string[]];
  const args = [...rest, '-p', dir, '-e', join(dir, 'error.log'), '-c', join(dir, 'nginx.conf')];
  const child = spawn(program, args, { stdio: 'ignore' });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()).once('error', () => resolve()));
  let version: string | undefined;
  for (let i = 0; i < 200 && version === undefined && child.exitCode === null && child.pid; i++) {
    version = await ask(join(dir, 'probe.sock'));
    if (version === undefined) await new Promise((resolve) => setTimeout(resolve, 15));
  }
  child.kill('SIGKILL');
  await ended;
  rmSync(dir, { recursive: true, force: true });
  return version;
}

function configuration({ modulePath, engine }: NjsProbe, dir: string): string {
  const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const temporary = kinds.map((kind) => `${kind}_temp_path ${join(dir, kind)};`).join(' ');
  const load = modulePath === '' ? '' : `load_module ${modulePath};`;
  return `${load}
daemon off; master_process off; pid ${join(dir, 'nginx.pid')};
events { worker_connections 16; }
http {
    access_log off; ${temporary}
    js_engine ${engine}; js_import probe from probe.js;
    server { listen unix:${join(dir, 'probe.sock')}; location / { js_content probe.version; } }
}
`;
}

function ask(socketPath: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const sent = get({ socketPath, path: '/', agent: false }, (response) => {
      let body = '';
      response.on('data', (part: Buffer) => (body += part.toString()));
      response.on('end', () => resolve(/^\d+\.\d+\.\d+$/.test(body) ? body : undefined));
    });
    sent.on('error', () => resolve(undefined));
  });
}
