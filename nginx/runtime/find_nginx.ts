// Which nginx to run, by NGINX_RUNTIME. `auto` takes the system's nginx where its njs has js_access, else an nginx
// unpacked from Debian packages.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { debianSuites, hasJsAccess, type DebianRelease } from '../versions.js';
import { describeNginx, findProgram, moduleFile, modulePaths, type NginxRuntime } from './nginx_runtime.js';
import { unpackNginx } from './unpack_nginx.js';
import { Fault } from '../../node/fault.js';

/**
 * Finds or unpacks an nginx with njs.
 * @param runtime NGINX_RUNTIME
 * @throws Fault when there is no such nginx
 */
export async function findNginx(runtime: 'auto' | 'system' | DebianRelease): Promise<NginxRuntime> {
  if (runtime !== 'auto' && runtime !== 'system') return findUnpacked(runtime);
  const system = await findSystemNginx();
  if (system !== undefined && (runtime === 'system' || hasJsAccess(system.njsVersion))) return system;
  if (runtime === 'auto') return findUnpacked('debian14');
  throw new Fault(
    `NGINX_RUNTIME=system: no nginx with ${moduleFile} was found: install it (libnginx-mod-http-js, ` +
      'nginx-module-njs) or set NGINX_RUNTIME=auto',
  );
}

async function findUnpacked(release: DebianRelease): Promise<NginxRuntime> {
  const suite = debianSuites[release];
  const { command, modulePath } = await unpackNginx(suite);
  const found = await describeNginx(`Debian ${suite}`, command, modulePath);
  if (found !== undefined) return found;
  throw new Fault(`nginx unpacked from Debian ${suite} does not run: ${command.join(' ')}`);
}

async function findSystemNginx(): Promise<NginxRuntime | undefined> {
  const module = modulePaths.map((path) => join(path, moduleFile)).find((path) => existsSync(path));
  const program = findProgram();
  return module === undefined || program === undefined ? undefined : describeNginx('system', [program], module);
}
