// A program that answers as an nginx with an njs of any version would: for versions that are not at hand.

import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface FakeNginx {
  program: string;
  module: string;
}

export interface Faking {
  njs: string;
  engines?: ('qjs' | 'njs')[];
  /** What `nginx -T` prints; undefined: it fails. */
  configuration?: string;
  /** What it then says. */
  refusal?: string;
  /** Arguments of `configure` that `nginx -V` names. */
  built?: string;
}

/** Writes the program and a file in the place of its module. */
export function fakeNginx(dir: string, faking: Faking): FakeNginx {
  const {
    njs,
    engines = ['njs'],
    configuration,
    built = '--with-http_ssl_module',
    refusal = 'open() "/etc/nginx/nginx.conf" failed',
  } = faking;
  const program = join(dir, 'nginx-program');
  const module = join(dir, 'ngx_http_js_module.so');
  writeFileSync(module, '');
  writeFileSync(
    `${program}.mjs`,
    `
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, join } from 'node:path';
const args = process.argv.slice(2);
const dump = ${JSON.stringify(configuration ?? null)};
if (args[0] === '-v') console.error('nginx version: nginx/1.22.1');
else if (args[0] === '-V') console.error(${JSON.stringify(
      `nginx version: nginx/1.22.1\nconfigure ` + `arguments: ${built}`,
    )});
else if (args[0] === '-T' && dump !== null) console.log(dump);
else if (args[0] === '-T') fail(${JSON.stringify(refusal)});
else {
  const conf = args[args.indexOf('-c') + 1];
  const text = readFileSync(conf, 'utf8');
  if (args.includes('-t')) fail('module "ngx_http_js_module.so" version 1026003 instead of 1022001');
  const engine = /js_engine (\\w+);/.exec(text)?.[1];
  if (!${JSON.stringify(engines)}.includes(engine)) fail('invalid value');
  createServer((_, response) => response.end(${JSON.stringify(njs)})).listen(join(dirname(conf), 'probe.sock'));
}
function fail(why) {
  console.error('nginx: [emerg] 12#12: ' + why);
  process.exit(1);
}
`,
  );
  writeFileSync(program, `#!/bin/sh\nexec ${process.execPath} ${program}.mjs "$@"\n`);
  chmodSync(program, 0o755);
  return { program, module };
}

/** What `nginx -T` prints of a site in sites-enabled. */
export const dumpOf = (dir: string, site: string) => `# configuration file /etc/nginx/nginx.conf:
events {}
http {
    include ${dir}/http.conf;
    include sites-enabled/*;
}

# configuration file /etc/nginx/sites-enabled/app:
${site.replace(' keygate/', ` ${dir}/`)}
`;
