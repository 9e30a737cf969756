// Which njs an nginx has: asked of a running one, since no command of nginx tells it.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

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
