// The nginx that an operator has: which program, which njs, and what its own configuration says.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { parseDirectives, unquote } from '../configuration/directives.js';
import { isAtLeast, oldestNjs } from '../versions.js';
import { describeNginx, findProgram, moduleFile, modulePaths, type NginxRuntime } from './nginx_runtime.js';
import { Fault } from '../../node/fault.js';

export interface InstalledNginx extends NginxRuntime {
  /** Whether it was built with ngx_http_ssl_module. */
  hasTls: boolean;
  /** The whole configuration as `nginx -T` prints it; undefined where it does not. */
  configuration: string | undefined;
  /** Why `nginx -T` does not print it; empty where it does. */
  configurationFault: string;
}

export interface NginxPlaces {
  program?: string | undefined;
  module?: string | undefined;
  /** The main configuration file, where it is not the one that nginx takes by itself. */
  configuration?: string | undefined;
}

/**
 * Finds the operator's nginx, and njs in or beside it.
 * @throws Fault when nginx or njs is missing, njs is too old, or the two don't run together
 */
export async function findInstalledNginx(places: NginxPlaces): Promise<InstalledNginx> {
  const program = places.program ?? findProgram();
  const built = program === undefined ? undefined : spawnSync(program, ['-V'], { encoding: 'utf8' });
  if (program === undefined || built?.status !== 0) {
    throw new Fault(`${program ?? 'nginx'} was not found or does not run: expected nginx on the path, or --nginx PATH`);
  }
  const { configuration, configurationFault } = dumpConfiguration(program, places.configuration);
  const module = places.module ?? findModule(built.stderr, configuration);
  if (module === undefined) {
    throw new Fault(
      `${program} has no njs (${moduleFile}): install libnginx-mod-http-js (Debian, Ubuntu), nginx-module-njs ` +
        '(nginx.org) or nginx-mod-http-js (Alpine), or give --module PATH',
    );
  }
  if (module !== '' && !existsSync(module)) throw new Fault(`${module}: there is no such module`);
  const runtime = await describeNginx('yours', [program], module);
  if (runtime === undefined)
    throw new Fault(`${program} does not run with ${module || 'its njs'}: ${explainRefusal(program, module)}`);
  if (!isAtLeast(runtime.njsVersion, oldestNjs)) {
    throw new Fault(`njs ${runtime.njsVersion} of ${program} is too old: expected ${oldestNjs} or newer: update njs`);
  }
  return { ...runtime, hasTls: built.stderr.includes('--with-http_ssl_module'), configuration, configurationFault };
}

function dumpConfiguration(program: string, file: string | undefined) {
  const args = ['-T', '-q', ...(file === undefined ? [] : ['-c', resolve(file)])];
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 1 << 28, timeout: 60000 });
  if (status === 0) return { configuration: stdout, configurationFault: '' };
  return { configuration: undefined, configurationFault: emergency(stderr) || 'it does not say why' };
}

// njs that is built in is named among the arguments of `configure`.
function findModule(built: string, configuration: string | undefined): string | undefined {
  if (/--add-module=\S*njs/.test(built)) return '';
  const folder = (name: string) => new RegExp(`--${name}=(\\S+)`).exec(built)?.[1];
  const loads = parseDirectives(configuration ?? '').filter(({ words }) => words[0] === 'load_module');
  const loaded = loads.map(({ words }) => unquote(words[1])).find((path) => basename(path) === moduleFile);
  const folders = [folder('modules-path'), ...modulePaths].filter((one) => one !== undefined);
  const candidates = folders.map((one) => join(one, moduleFile));
  if (loaded !== undefined) candidates.unshift(resolve(folder('prefix') ?? '/', loaded));
  return candidates.find((path) => existsSync(path));
}

function explainRefusal(program: string, module: string): string {
  const dir = mkdtempSync(join(tmpdir(), 'keygate-probe-'));
  const load = module === '' ? '' : `load_module ${module};`;
  writeFileSync(join(dir, 'nginx.conf'), `${load} pid ${dir}/pid; events {} http {}\n`);
  const args = ['-t', '-q', '-p', dir, '-e', join(dir, 'error.log'), '-c', join(dir, 'nginx.conf')];
  const { stderr } = spawnSync(program, args, { encoding: 'utf8' });
  rmSync(dir, { recursive: true, force: true });
  return emergency(stderr) || 'it does not say why';
}

function emergency(stderr: string): string {
  const line =
    stderr.split('\n').find((one) => /\[emerg\]|\[error\]/.test(one)) ?? stderr.trim().split('\n').pop() ?? '';
  return line.replace(/^.*\[(?:emerg|error)\]\s*(?:\d+#\d+:\s*)?/, '');
}
