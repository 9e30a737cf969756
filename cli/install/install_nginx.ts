// Which nginx `keygate install` is for: the one of this machine, or with --render one that the options describe.

import { readFileSync } from 'node:fs';
import { findInstalledNginx, type InstalledNginx } from '../../nginx/runtime/installed_nginx.js';
import { flatten, parseDirectives, type Directive } from '../../nginx/configuration/directives.js';
import { enginesOf, isAtLeast, oldestNjs } from '../../nginx/versions.js';
import { Fault } from '../../node/fault.js';

export interface NginxOptions {
  engine: 'qjs' | 'njs' | 'auto';
  nginx?: string;
  module?: string;
  conf?: string;
  render?: boolean;
  nginxVersion?: string;
  njs?: string;
  dump?: string;
}

/** @returns what is wrong with the options together; empty when nothing is */
export function checkOptions(options: NginxOptions): string {
  const { render, nginx, conf, nginxVersion, njs, dump } = options;
  if (render !== true) {
    const isGiven = [nginxVersion, njs, dump].some((one) => one !== undefined);
    return isGiven ? '--nginx-version, --njs and --dump go with --render' : '';
  }
  if (nginx !== undefined || conf !== undefined)
    return '--nginx and --conf do not go with --render, which runs no nginx';
  const isVersion = (text = '') => /^\d+\.\d+\.\d+$/.test(text);
  if (!isVersion(nginxVersion)) return '--render: expected --nginx-version such as 1.30.6';
  return isVersion(njs) ? '' : '--render: expected --njs with its version, such as 1.0.2';
}

/**
 * Finds the nginx.
 * @throws Fault when there is none that Keygate runs on
 */
export async function chooseNginx(options: NginxOptions): Promise<InstalledNginx> {
  if (options.render === true) return describeRendered(options);
  const { nginx: program, module, conf: configuration } = options;
  return findInstalledNginx({ program, module, configuration });
}

function describeRendered({ engine, module, nginxVersion = '', njs = '', dump }: NginxOptions): InstalledNginx {
  if (!isAtLeast(njs, oldestNjs)) throw new Fault(`njs ${njs} is too old: expected ${oldestNjs} or newer`);
  return {
    name: 'rendered',
    command: [],
    modulePath: module ?? 'modules/ngx_http_js_module.so', // relative to nginx's prefix
    nginxVersion,
    njsVersion: njs,
    hasTls: true,
    engines: engine === 'auto' ? enginesOf(njs) : [engine],
    configuration: dump === undefined ? undefined : readDump(dump),
    configurationFault: dump === undefined ? 'no --dump FILE was given, with what `nginx -T` prints' : '',
  };
}

function readDump(file: string): string {
  const text = readDumpFile(file);
  const isHttp = ({ words, block }: Directive) => words[0] === 'http' && block !== undefined;
  if (flatten(parseDirectives(text)).some(isHttp)) return text;
  throw new Fault(
    `${file} has no http block`,
    'it is to hold what `nginx -T` prints: docker exec CONTAINER nginx -T > FILE',
  );
}

function readDumpFile(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new Fault(`can't read ${file} (${(error as NodeJS.ErrnoException).code})`);
  }
}
