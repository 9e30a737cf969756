// The configuration of README.md's embedding part is what `keygate install` prints, and it serves as it stands there.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { linesToAdd } from '../../nginx/placement/lines_to_add.js';
import { send } from './harness/client.js';
import { editSettings, makeOperator } from './harness/operator.js';
import { startUpstream } from './harness/upstream.js';
import { variants } from './harness/variants.js';

const readme = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8');
const section = readme.split('## Embed it in your nginx\n')[1]?.split('\n## ')[0] ?? '';
const blocks = section.match(/(?:^ {4}.*\n)+/gm) ?? [];
const configuration = (blocks.find((block) => block.includes('load_module')) ?? '').replace(/^ {4}/gm, '');
const installedIn = '/etc/nginx/keygate';

// Its guard is that of a whole server, which asks by auth_request.
const servers = variants.filter((one) => one.entry === 'auth_request');

describe('README.md: embedding', () => {
  it('names the command and the lines that it prints', () => {
    expect(blocks[0]).toContain(`keygate install ${installedIn}\n`);
    const wanted = { dir: installedIn, modulePath: 'modules/ngx_http_js_module.so' };
    const printed: string[] = Object.values(linesToAdd(wanted, undefined)).flat();
    const own = /^(?:http|server|location \/(?:api|open)\/) \{$|^\}$|^(?:proxy_pass|root) /;
    const lines = configuration
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '' && !own.test(line));
    expect(lines).toEqual(printed.map((line) => line.replace(/;.*/, ';')));
  });

  it('says in a sentence what each of the lines does', () => {
    const explained = [...section.matchAll(/^- `([\w.]+)` /gm)].map(([, name]) => name);
    const ofLine = (line: string) => /include .*\/([\w.]+);/.exec(line)?.[1] ?? /^\w+/.exec(line)?.[0];
    const names = Object.values(linesToAdd({ dir: installedIn, modulePath: 'm.so' }, undefined))
      .flat()
      .map(ofLine);
    expect(explained).toEqual(names.filter((name) => name !== 'variables_hash_max_size'));
    expect(section).toContain('`variables_hash_max_size` for');
  });

  it.each(servers)('serves with them on $name', async (variant) => {
    const upstream = await startUpstream();
    const operator = await makeOperator(variant, upstream.url);
    const keys = join(operator.dir, 'keys.txt');
    writeFileSync(keys, 'a-key-of-readme\n');
    expect(operator.install('--engine', variant.engine, '--decision', `unix:${operator.dir}/decision.sock`).code).toBe(
      0,
    );
    editSettings(operator.keygateDir, { api_keys_file: keys, state_dir: operator.dir });
    const around = readFileSync(join(operator.dir, 'nginx/nginx.conf'), 'utf8'); // without a line of Keygate's
    const main = around.slice(0, around.indexOf('http {'));
    const paths = around.match(/^ +\w+_temp_path .*$/gm)?.join('\n') ?? '';
    const text = configuration
      .replaceAll(installedIn, operator.keygateDir)
      .replace('modules/ngx_http_js_module.so', operator.module)
      .replace('http {', `${main}http {\naccess_log off;\n${paths}`)
      .replace('server {', `server {\nlisten 127.0.0.1:${operator.port};`)
      .replace('http://127.0.0.1:8080', upstream.url)
      .replace('/var/www', `${operator.dir}/www`);
    mkdirSync(join(operator.dir, 'www/open'));
    writeFileSync(join(operator.dir, 'www/open/x'), 'open');
    writeFileSync(join(operator.dir, 'nginx/nginx.conf'), text);
    const nginx = await operator.start();
    try {
      const headers = { authorization: 'Bearer a-key-of-readme' };
      await vi.waitFor(async () => expect((await send(operator.url, '/api/x', { headers })).body).toBe('upstream'), {
        timeout: 20000,
        interval: 100,
      });
      expect((await send(operator.url, '/api/x')).status).toBe(401);
      expect((await send(operator.url, '/open/x')).body).toBe('open');
      expect((await send(operator.url, '/elsewhere')).status).toBe(401);
      expect((await send(operator.url, '/keygate/health')).status).toBe(200);
      expect(operator.errorLog()).not.toMatch(/\[(?:emerg|alert)\]|variables_hash/);
    } finally {
      await nginx.stop();
      await upstream.close();
      operator.remove();
    }
  });
});
