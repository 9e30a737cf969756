// An operator's own nginx: a configuration that Keygate's lines are added to, as `keygate install` prints them.

import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findNginx } from '../../../nginx/runtime/find_nginx.js';
import type { LinesToAdd } from '../../../nginx/placement/lines_to_add.js';
import { freePort } from './free_port.js';
import { spawnNginx, type RunningNginx } from './nginx_process.js';
import type { Variant } from './variants.js';

export interface Ran {
  code: number | null;
  out: string;
  err: string;
}

/** Lines by the context that they go into. */
export type Lines = LinesToAdd;

export interface Operator {
  dir: string;
  /** Where Keygate's files go. */
  keygateDir: string;
  /** What to give as --nginx: a program that knows its own configuration, as a packaged one does. */
  program: string;
  module: string;
  port: number;
  url: string;
  /** Runs `keygate install` for this nginx. */
  install: (...args: string[]) => Ran;
  /** Runs `keygate install --render` for an nginx of the same versions. */
  render: (...args: string[]) => Ran;
  /** Writes nginx.conf around the lines. */
  configure: (lines: Lines) => void;
  /** `nginx -t`. */
  test: () => Ran;
  /** Starts nginx; `prefix` is that of `keygate install`. */
  start: (prefix?: string) => Promise<RunningNginx>;
  errorLog: () => string;
  remove: () => void;
}

export const commandProgram = join(import.meta.dirname, '../../../dist/keygate_command.js');
const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];

/** Makes a folder for an nginx of the variant, with a configuration that is the operator's alone. */
export async function makeOperator(variant: Variant, upstreamUrl: string): Promise<Operator> {
  const dir = mkdtempSync(join(tmpdir(), 'keygate-operator-'));
  const { command, modulePath, nginxVersion, njsVersion } = await findNginx(variant.runtime);
  const port = await freePort();
  const program = join(dir, 'nginx-program');
  const conf = join(dir, 'nginx', 'nginx.conf');
  mkdirSync(join(dir, 'nginx'));
  for (const part of ['temp', 'www']) mkdirSync(join(dir, part));
  writeFileSync(join(dir, 'www', 'x'), 'open'); // a file: what a `return` answers is never guarded
  writeFileSync(program, `#!/bin/sh\nexec ${command.join(' ')} -p ${dir} -e ${dir}/error.log -c ${conf} "$@"\n`);
  chmodSync(program, 0o755);
  const keygateDir = join(dir, 'nginx', 'keygate');
  const env = { ...process.env, STATE_DIR: join(dir, 'state') }; // not the gateway's of this machine
  const run = (file: string, args: string[]): Ran => {
    const ran = spawnSync(file, args, { cwd: dir, env, encoding: 'utf8' });
    return { code: ran.status, out: ran.stdout, err: ran.stderr };
  };
  const operator: Operator = {
    dir,
    keygateDir,
    program,
    module: modulePath,
    port,
    url: `http://127.0.0.1:${port}`,
    install: (...args) =>
      run(process.execPath, [
        commandProgram,
        'install',
        keygateDir,
        '--nginx',
        program,
        '--module',
        modulePath,
        ...args,
      ]),
    render: (...args) =>
      run(process.execPath, [
        commandProgram,
        'install',
        keygateDir,
        '--render',
        '--nginx-version',
        nginxVersion,
        '--njs',
        njsVersion,
        '--module',
        modulePath,
        ...args,
      ]),
    configure: (lines) => writeFileSync(conf, configuration({ dir, port, upstreamUrl }, lines)),
    test: () => run(program, ['-t']),
    start: (prefix = '/keygate') => spawnNginx(variant, { dir, port, scheme: 'http', prefix }),
    errorLog: () => readFileSync(join(dir, 'error.log'), 'utf8'),
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
  operator.configure({ main: [], http: [], server: [], passing: [], open: [] });
  return operator;
}

function configuration(place: { dir: string; port: number; upstreamUrl: string }, lines: Lines): string {
  const { dir, port, upstreamUrl } = place;
  return `${lines.main.join('\n')}
${process.getuid?.() === 0 ? 'user root;' : ''}
daemon off;
pid ${dir}/nginx.pid;
error_log ${dir}/error.log notice;
events {}
http {
${temporary.map((kind) => `    ${kind}_temp_path ${dir}/temp/${kind};`).join('\n')}
    access_log off;
${lines.http.join('\n')}
    server {
        listen 127.0.0.1:${port};
${lines.server.join('\n')}
        location /open/ {
${lines.open.join('\n')}
            alias ${dir}/www/;
        }
        location /api/ {
${lines.passing.join('\n')}
            proxy_pass ${upstreamUrl};
        }
    }
}
`;
}

/** Which context the lines under a heading go into: a place in a file, or what only the operator knows. */
const headings: { [context in keyof Lines]: RegExp } = {
  main: /, at its top:$|^at the top of nginx\.conf:$/,
  http: /\(http\):$|^in http \{ \}, before your servers:$/,
  server: /\(server .*\):$|^in each server \{ \} to guard, as its first lines:$/,
  passing: /\(location .*\):$|^in each location \{ \} that passes requests on .*:$/,
  open: /^in each location \{ \} that nobody is to be asked for:$/,
};

/** The lines that `keygate install` printed, exactly as they stand there. */
export function linesIn(printed: string): Lines {
  const blocks = printed.split('\n\n').map((block) => block.split('\n'));
  const under = (heading: RegExp) =>
    blocks
      .filter(([first = '']) => heading.test(first))
      .flatMap((block) => block.filter((line) => line.startsWith('    ')));
  return {
    main: under(headings.main),
    http: under(headings.http),
    server: under(headings.server),
    passing: under(headings.passing),
    open: under(headings.open),
  };
}

/** What an operator does to settings.conf: its defaults become the places of a test. */
export function editSettings(keygateDir: string, values: { [name: string]: string }): void {
  const file = join(keygateDir, 'settings.conf');
  let text = readFileSync(file, 'utf8');
  for (const [name, value] of Object.entries(values)) {
    text = text.replace(new RegExp(`^(js_var \\$keygate_${name}) ".*?";`, 'm'), `$1 "${value}";`);
  }
  if (values['sidecar'] !== undefined) text = text.replace(/server unix:[^ ;]+/, `server ${values['sidecar']}`);
  writeFileSync(file, text);
}
