// What `keygate install` says about the nginx that it looks at, and --render for one that is elsewhere.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { dumpOf, fakeNginx, type FakeNginx } from './fake_nginx.js';
import { program, runInstall, version } from './run_install.js';

let work = '';
let dir = '';
let nginx: FakeNginx;

beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'keygate-install-'));
  dir = join(work, 'keygate');
  nginx = fakeNginx(work, { njs: '1.0.2', engines: ['qjs', 'njs'], configuration: 'events {}' });
});

afterEach(() => rmSync(work, { recursive: true, force: true }));

const keygate = (args: string[]) => runInstall(work, args);
const install = (...args: string[]) => keygate([dir, '--nginx', nginx.program, '--module', nginx.module, ...args]);
const read = (name: string) => readFileSync(join(dir, name), 'utf8');

describe('keygate install prints', () => {
  it('the file and line of each line that is missing', () => {
    const site = 'server {\n server_name app.example;\n location / {\n  proxy_pass http://127.0.0.1:8080;\n }\n}';
    nginx = fakeNginx(work, { njs: '1.0.2', engines: ['qjs', 'njs'], configuration: dumpOf(dir, site) });
    const { out } = install();
    expect(out).toContain('in /etc/nginx/nginx.conf, at its top:\n    load_module ');
    expect(out).toContain('in /etc/nginx/nginx.conf, after line 2 (http):\n    large_client_header_buffers ');
    expect(out).toContain(
      `in /etc/nginx/sites-enabled/app, after line 1 (server app.example):\n    include ${dir}/guard.conf;\n`,
    );
    expect(out).toContain(
      `in /etc/nginx/sites-enabled/app, after line 3 (location / of server app.example):\n    include ` +
        `${dir}/proxy_headers.conf;\n`,
    );
    expect(out).not.toContain(`include ${dir}/http.conf;`);
    const { places } = JSON.parse(install('--json').out) as { places: object[] };
    expect(places.at(-1)).toEqual({
      context: 'passing',
      file: '/etc/nginx/sites-enabled/app',
      line: 3,
      of: 'location / of server app.example',
      lines: [`include ${dir}/proxy_headers.conf;`],
    });
  });

  it('that nothing is missing', () => {
    const bare = dumpOf(dir, 'server {\n include keygate/guard.conf;\n}');
    const configuration = bare
      .replace('events {}', `load_module ${nginx.module};`)
      .replace('http {', 'http { variables_hash_max_size 4096; large_client_header_buffers 4 32k;');
    nginx = fakeNginx(work, { njs: '1.0.2', engines: ['qjs', 'njs'], configuration });
    expect(install().out).toContain('\nYour configuration has all lines that it needs.\n');
  });
});

describe('keygate install for an nginx without ngx_http_ssl_module', () => {
  it('writes no variable of a certificate, with which such an nginx would not start', () => {
    install();
    expect(read('certificate.conf')).toContain('$ssl_client_verify');
    nginx = fakeNginx(work, {
      njs: '1.0.2',
      engines: ['qjs', 'njs'],
      configuration: 'events {}',
      built: '--with-pcre',
    });
    install();
    for (const name of readdirSync(dir).filter((one) => one.endsWith('.conf')))
      expect(read(name)).not.toMatch(/\$ssl_/);
  });
});

describe('keygate install --render', () => {
  const versions = ['--render', '--nginx-version', '1.30.6', '--njs', '1.0.2'];
  const render = (...args: string[]) => keygate([dir, ...versions, ...args]);
  const dumpFile = (text: string) => {
    writeFileSync(join(work, 'dump'), text);
    return ['--dump', join(work, 'dump')];
  };

  it('writes what an installation for that nginx writes, and runs none', () => {
    install();
    const files = () =>
      Object.fromEntries(
        readdirSync(dir)
          .filter((name) => !/secret|asker|^\./.test(name))
          .map((name) => [name, read(name)]),
      );
    const installed = files();
    rmSync(dir, { recursive: true });
    const ran = spawnSync(process.execPath, [program, 'install', dir, ...versions], {
      cwd: work,
      encoding: 'utf8',
      env: { PATH: '/nowhere', STATE_DIR: join(work, 'state') },
    });
    expect(ran).toMatchObject({ status: 0, stderr: '' });
    const since = ['since_1_27_4.conf', 'since_1_29_3.conf']; // the nginx of install() is 1.22.1
    expect(Object.keys(files()).filter((name) => installed[name] === undefined)).toEqual(since);
    expect(files()).toMatchObject(installed);
    expect(ran.stdout).toContain('for nginx 1.30.6 with njs 1.0.2');
    expect(ran.stdout).toContain('load_module modules/ngx_http_js_module.so;');
    expect(ran.stdout).toContain('note: your configuration was not looked at: no --dump FILE was given');
  });

  it('brings the engine that is asked for, else the best that such an njs has', () => {
    const engine = (...args: string[]) =>
      (JSON.parse(render('--json', '--force', ...args).out) as { engine: string }).engine;
    expect(engine()).toBe('qjs');
    expect(engine('--njs', '0.8.9')).toBe('njs');
    expect(engine('--njs', '0.8.9', '--engine', 'qjs')).toBe('qjs');
    expect(engine('--engine', 'njs')).toBe('njs');
    expect(read('decision_server.conf')).toContain('js_engine njs;');
  });

  it('reads the configuration of the dump, for lines and for --check', () => {
    const dump = dumpFile(dumpOf(dir, 'server {\n location / {\n  proxy_pass http://127.0.0.1:8080;\n }\n}'));
    expect(render(...dump).out).toContain('in /etc/nginx/sites-enabled/app, after line 2 (location / of server ):');
    expect(render(...dump, '--check').code).toBe(0);
    const guarded = dumpFile(dumpOf(dir, 'server {\n include keygate/guard.conf;\n return 200 x;\n}'));
    expect(render(...guarded, '--check')).toMatchObject({
      code: 1,
      out: expect.stringContaining('/etc/nginx/sites-enabled/app:3: server : `return 200 x`') as string,
    });
    expect(render('--check')).toMatchObject({
      code: 1,
      out: expect.stringContaining('no --dump FILE was given') as string,
    });
  });

  it('writes files for the place where nginx will have them', () => {
    const { out } = render('--mount', '/etc/nginx/keygate');
    expect(out).toContain('include /etc/nginx/keygate/http.conf;');
    expect(out).toContain(`Keygate ${version} is in ${dir}, `);
    expect(read('http.conf')).toContain('include /etc/nginx/keygate/settings.conf;');
    expect(read('decision_server.conf')).toContain('js_import keygate from /etc/nginx/keygate/keygate.js;');
    expect(render('--mount', 'keygate')).toMatchObject({
      code: 2,
      err: expect.stringContaining('expected an absolute folder') as string,
    });
  });

  it.each([
    [['--nginx-version', '1.30'], '--nginx-version such as 1.30.6'],
    [['--njs', 'new'], '--njs with its version'],
    [['--nginx', '/usr/sbin/nginx'], 'do not go with --render'],
    [['--conf', '/etc/nginx/nginx.conf'], 'do not go with --render'],
  ])('refuses %j with exit code 2', (args, said) => {
    expect(render(...args)).toMatchObject({ code: 2, err: expect.stringContaining(said) as string });
    expect(existsSync(dir)).toBe(false);
  });

  it('refuses a dump that is none, and an njs that is too old', () => {
    expect(render('--dump', join(work, 'nothing'))).toMatchObject({
      code: 1,
      err: expect.stringContaining('(ENOENT)') as string,
    });
    expect(render(...dumpFile('nginx: [emerg] open() failed'))).toMatchObject({
      code: 1,
      err: expect.stringContaining('has no http block\nhint: ') as string,
    });
    expect(render('--njs', '0.8.4')).toMatchObject({
      code: 1,
      err: expect.stringContaining('njs 0.8.4 is too old') as string,
    });
    expect(existsSync(dir)).toBe(false);
  });
});
