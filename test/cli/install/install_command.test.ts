// `keygate install` as a person at a shell runs it: what it refuses, what it never loses, what --check finds.

import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
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

const keygate = (args: string[]) => runInstall(work, args);
const install = (...args: string[]) => keygate([dir, '--nginx', nginx.program, '--module', nginx.module, ...args]);
const read = (name: string) => readFileSync(join(dir, name), 'utf8');
const write = (name: string, text: string) => writeFileSync(join(dir, name), text);
const check = () => {
  const ran = install('--check', '--json');
  const { differences } = JSON.parse(ran.out) as { differences: { file: string; problem: string }[] };
  return { code: ran.code, found: differences.map(({ file, problem }) => `${file}: ${problem}`) };
};

/** As an older version would have left it: other content, recorded as shipped. */
function becomeOlder(name: string, text: string): void {
  write(name, text);
  const record = JSON.parse(read('.keygate-installed.json')) as { version: string; files: { [name: string]: string } };
  const sum = spawnSync('sha256sum', [join(dir, name)], { encoding: 'utf8' }).stdout.slice(0, 64);
  write(
    '.keygate-installed.json',
    JSON.stringify({ ...record, version: '0.0.9', files: { ...record.files, [name]: sum } }),
  );
}

describe('keygate install refuses', () => {
  it('an nginx that is not there', () => {
    const ran = keygate([dir, '--nginx', join(work, 'nothing')]);
    expect(ran.code).toBe(1);
    expect(ran.err).toContain(
      `${work}/nothing was not found or does not run: expected nginx on the path, or --nginx PATH`,
    );
  });

  it('an nginx without njs, naming the packages that bring it', () => {
    nginx = fakeNginx(work, { njs: '1.0.2', built: `--modules-path=${work}/modules` });
    const ran = keygate([dir, '--nginx', nginx.program]);
    expect(ran.code).toBe(1);
    expect(ran.err).toMatch(/has no njs .*libnginx-mod-http-js.*nginx-module-njs.*nginx-mod-http-js.*--module PATH/);
    expect(existsSync(dir)).toBe(false);
  });

  it('a module that is of another nginx, in the words of nginx', () => {
    nginx = fakeNginx(work, { njs: '1.0.2', engines: [] });
    const ran = install();
    expect(ran.code).toBe(1);
    expect(ran.err).toContain('does not run with');
    expect(ran.err).toContain(': module "ngx_http_js_module.so" version 1026003 instead of 1022001\n');
    expect(install('--module', '/nothing.so').err).toContain('/nothing.so: there is no such module');
  });

  it('an njs that is too old', () => {
    nginx = fakeNginx(work, { njs: '0.8.4' });
    expect(install()).toMatchObject({ code: 1, err: expect.stringContaining('njs 0.8.4 of') as string });
    expect(install().err).toContain('is too old: expected 0.8.9 or newer');
    expect(existsSync(dir)).toBe(false);
  });

  it('an engine that this njs does not have', () => {
    nginx = fakeNginx(work, { njs: '0.9.0', engines: ['njs'], configuration: 'events {}' });
    const ran = install('--engine', 'qjs');
    expect(ran.code).toBe(1);
    expect(ran.err).toContain('has no engine qjs\nhint: it has njs: --engine auto');
    expect(existsSync(dir)).toBe(false);
  });

  it.each([
    ['--engine', 'v8'],
    ['--entry', 'access'],
    ['--decision', 'here'],
    ['--decision', '127.0.0.1:9147; evil on'],
    ['--prefix', '/auth/'],
    ['--prefix', '/a;b'],
    ['--credential-headers', 'cookie'],
    ['--credential-headers', 'x;y'],
    ['--nonsense', ''],
    ['--njs', '1.0.2'],
    ['--dump', '/dev/null'],
  ])('the arguments %s %s with exit code 2', (...args) => {
    expect(install(...args).code).toBe(2);
    expect(existsSync(dir)).toBe(false);
  });

  it('a folder name that can not stand in nginx.conf', () => {
    const ran = keygate([join(work, 'a b'), '--nginx', nginx.program, '--module', nginx.module]);
    expect(ran).toMatchObject({
      code: 2,
      err: expect.stringContaining('expected an absolute folder') as string,
    });
  });

  it('a folder with files of the same names from elsewhere, unless they may be kept beside', () => {
    mkdirSync(dir);
    write('guard.conf', 'server { }\n');
    const ran = install();
    expect(ran.code).toBe(1);
    expect(ran.err).toContain('has files that keygate install did not put there: guard.conf\nhint: ');
    expect(readdirSync(dir)).toEqual(['guard.conf']);
    expect(install('--force').code).toBe(0);
    const kept = readdirSync(dir).find((name) => /^guard\.conf\.orig-\d{8}T\d{6}Z$/.test(name)) ?? '';
    expect(read(kept)).toBe('server { }\n');
  });

  it('a folder that can not be written, and leaves what was there', () => {
    writeFileSync(join(work, 'file'), '');
    const ran = keygate([join(work, 'file'), '--nginx', nginx.program, '--module', nginx.module]);
    expect(ran.code).toBe(1);
    expect(ran.err).toMatch(/can't (?:read|write)/);
  });
});

describe('keygate install keeps', () => {
  it('a settings.conf that was changed, and puts the one of a new version beside it', () => {
    install();
    becomeOlder('settings.conf', read('settings.conf').replace(/^js_var \$keygate_jwks_ttl.*\n/m, ''));
    const mine = `${read('settings.conf')}# mine\n`;
    write('settings.conf', mine);
    const ran = install();
    expect(ran.code).toBe(0);
    expect(read('settings.conf')).toBe(mine);
    expect(read('settings.conf.new')).toContain('js_var $keygate_jwks_ttl "300";');
    expect(ran.out).toContain(`settings.conf is yours and stays as it is; this version's is ${dir}/settings.conf.new`);
    expect(ran.out).toContain('settings.conf lacks js_var $keygate_jwks_ttl "300";');
    rmSync(join(dir, 'settings.conf.new'));
    expect(install().out).toContain('settings.conf is yours and stays as it is\n');
    expect(existsSync(join(dir, 'settings.conf.new'))).toBe(false);
  });

  it('nothing of a settings.conf that nobody changed', () => {
    install();
    const shipped = read('settings.conf');
    becomeOlder('settings.conf', '# what 0.0.9 shipped\n');
    expect(install().out).toContain('written: settings.conf\n');
    expect(read('settings.conf')).toBe(shipped);
    expect(existsSync(join(dir, 'settings.conf.new'))).toBe(false);
  });

  it('a copy of any other file that was changed by hand', () => {
    install();
    const shipped = read('proxy_headers.conf');
    write('proxy_headers.conf', `${shipped}proxy_set_header X-Mine 1;\n`);
    const ran = install();
    const kept = /proxy_headers\.conf had been changed by hand: that is now (\S+)/.exec(ran.out)?.[1] ?? '';
    expect(read(kept)).toContain('X-Mine');
    expect(read('proxy_headers.conf')).toBe(shipped);
  });

  it('the prefix of an earlier installation, /keygate at first', () => {
    install();
    expect(read('routes.conf')).toContain('location = /keygate/token {');
    install('--prefix', '/auth');
    expect(install().out).toContain('nothing had to be written');
    expect(read('routes.conf')).toContain('location = /auth/token {');
    expect(install('--prefix', '').code).toBe(0);
    expect(read('routes.conf')).toContain('location = /token {');
  });

  it('the further headers of an earlier installation, none at first', () => {
    const names = ['to_decision.conf', 'proxy_headers.conf', 'fastcgi_headers.conf'];
    const naming = () => names.filter((name) => /x[-_]goog[-_]api[-_]key/i.test(read(name)));
    install();
    expect(naming()).toEqual([]);
    install('--credential-headers', 'X-Goog-Api-Key, sec-websocket-protocol');
    expect(install().out).toContain('nothing had to be written');
    expect(naming()).toEqual(names);
    expect(read('subprotocols.conf')).toContain('$keygate_subprotocols');
    expect(install('--credential-headers', '').code).toBe(0);
    expect(naming()).toEqual([]);
  });

  it('the address and the secret of an earlier installation', () => {
    install();
    expect(read('decision_listen.conf')).toContain('listen 127.0.0.1:9147 ');
    expect(install('--decision', 'unix:/run/keygate/decision.sock').code).toBe(0);
    const secret = /X-Keygate-Secret ([0-9a-f]{32});/.exec(read('decision_secret.conf'))?.[1] ?? '-';
    expect(read('decision_asker.conf')).toContain(`    ${secret} 1;`);
    expect(install().out).toContain('nothing had to be written');
    expect(read('decision_listen.conf')).toContain('listen unix:/run/keygate/decision.sock.1 ');
    expect(read('decision_secret.conf')).toContain(secret);
  });

  it('its secret from everybody but nginx, and has another one in each folder', () => {
    install();
    const modes = ['decision_secret.conf', 'decision_asker.conf', 'http.conf'].map((name) =>
      (statSync(join(dir, name)).mode & 0o777).toString(8),
    );
    expect(modes).toEqual(['600', '600', '644']);
    const first = read('decision_secret.conf');
    dir = join(work, 'another');
    const ran = install();
    expect(read('decision_secret.conf')).not.toBe(first);
    expect(ran.out).not.toContain(/X-Keygate-Secret (\w+)/.exec(read('decision_secret.conf'))?.[1]);
  });

  it('everything, with --dry-run', () => {
    const ran = install('--dry-run');
    expect(ran.out).toContain('would be in');
    expect(ran.out).toContain(`include ${dir}/http.conf;`);
    expect(existsSync(dir)).toBe(false);
  });

  it('everything as it was when the disk is full half-way', () => {
    install();
    becomeOlder('guard.conf', '# what 0.0.9 shipped\n');
    becomeOlder('keygate.js', '// what 0.0.9 shipped\n');
    const before = readdirSync(dir).map((name) => [name, read(name)]);
    const args = [program, 'install', dir, '--nginx', nginx.program, '--module', nginx.module];
    const small = `export STATE_DIR=${work}/state; ulimit -f 16; exec ${process.execPath} ${args.join(' ')}`; // 8 KB: the bundle is larger
    const ran = spawnSync('sh', ['-c', small], { encoding: 'utf8' });
    expect(ran.status).toBe(1);
    expect(ran.stderr).toContain(`can't write to ${dir} (EFBIG)`);
    expect(readdirSync(dir).map((name) => [name, read(name)])).toEqual(before);
  });
});

describe('keygate install --check', () => {
  it('ends with 0 right after an installation, and with an edited settings.conf', () => {
    install();
    write('settings.conf', read('settings.conf').replace('"30";', '"10";'));
    expect(check()).toEqual({ code: 0, found: [] });
    expect(install('--check').out).toBe(`${dir}: as version ${version} ships it\n`);
  });

  it('says that nothing was installed', () => {
    const { code, found } = check();
    expect(code).toBe(1);
    expect(found).toContain(`${dir}: keygate install has not been run for this folder`);
    expect(found).toContain('http.conf: missing');
    expect(existsSync(dir)).toBe(false);
  });

  it('names what is missing, changed, old, or no longer shipped', () => {
    install();
    becomeOlder('guard.conf', '# what 0.0.9 shipped\n');
    becomeOlder('limits.conf', '# no longer shipped\n');
    rmSync(join(dir, 'http.conf'));
    write('errors.conf', '# mine\n');
    expect(check()).toEqual({
      code: 1,
      found: [
        `${dir}: version 0.0.9; this is ${version}`,
        'errors.conf: changed by hand',
        'guard.conf: not as this version ships it',
        'http.conf: missing',
        'limits.conf: no longer part of Keygate',
      ],
    });
  });

  it('names settings that are missing or unknown', () => {
    install();
    write('settings.conf', read('settings.conf').replace('$keygate_jwt_leeway', '$keygate_jwt_leway'));
    expect(check()).toEqual({
      code: 1,
      found: [
        'settings.conf: lacks js_var $keygate_jwt_leeway "30";',
        'settings.conf: sets $keygate_jwt_leway, which this version does not know',
      ],
    });
  });

  it('names the bundle for the other engine, where njs has changed under it', () => {
    install();
    nginx = fakeNginx(work, { njs: '0.9.0', engines: ['njs'], configuration: 'events {}' });
    expect(check()).toEqual({
      code: 1,
      found: [
        'count_requests.conf: not as this version ships it',
        'decision_server.conf: not as this version ships it',
        'metrics.conf: not as this version ships it',
        'keygate.js: the bundle for the other engine: nginx runs it on njs',
        'keygate_counter.js: the bundle for the other engine: nginx runs it on njs',
        'keygate_metrics.js: the bundle for the other engine: nginx runs it on njs',
      ],
    });
  });

  it('finds a guard that the njs of today lets be bypassed, as a package that went back brings it', () => {
    install();
    const configuration =
      `http { include ${dir}/http.conf; server { include ${dir}/locations.conf; location / { include ` +
      `${dir}/guard_access.conf; } } }`;
    nginx = fakeNginx(work, { njs: '1.0.0', engines: ['qjs', 'njs'], configuration });
    expect(check()).toEqual({
      code: 1,
      found: [
        expect.stringMatching(/^guard_access\.conf: .*needs njs 1\.0\.1 or newer, not njs 1\.0\.0 .*CVE-2026-18329/),
      ],
    });
    expect(install().out).toMatch(
      /note: your nginx\.conf includes guard_access\.conf, which needs njs 1\.0\.1 or newer/,
    );
  });

  it('finds lines of Keygate that stand where they do not hold', () => {
    install();
    const configuration =
      'http { include ' + `${dir}/http.conf; server { listen 80; set $a b; include ${dir}/guard.conf; } }`;
    nginx = fakeNginx(work, { njs: '1.0.2', engines: ['qjs', 'njs'], configuration });
    expect(check()).toEqual({
      code: 1,
      found: [expect.stringMatching(/^nginx\.conf: server 80: `set` comes before guard\.conf/)],
    });
  });

  it('names file and line of what opens a guarded location, with a hint', () => {
    install();
    const site = `server {\n include keygate/guard.conf;\n location /robots.txt {\n  return 200 x;\n }\n}`;
    nginx = fakeNginx(work, { njs: '1.0.2', engines: ['qjs', 'njs'], configuration: dumpOf(dir, site) });
    expect(check()).toEqual({
      code: 1,
      found: [
        '/etc/nginx/sites-enabled/app: location /robots.txt of server : `return 200 x` answers before anything ' +
          'is decided',
      ],
    });
    const ran = install('--check');
    expect(ran.out).toMatch(/^\/etc\/nginx\/sites-enabled\/app:4: location /);
    expect(ran.err).toContain('hint: docs/embedding.md says more of each; `include open.conf;`');
  });

  it.each([
    ['open() "/etc/nginx/nginx.conf" failed', ''],
    [
      '"map_hash_max_size" directive is duplicate in /n:3',
      ' (it must come before `include http.conf`, which has maps)',
    ],
    ['"auth_request" directive is duplicate in /n:3', ' (a location asks one question only'],
    ['"satisfy" directive is duplicate in /n:3', ' (guard.conf and its kin have `satisfy all`'],
  ])('ends with 1 when nginx -T fails: %s', (refusal, cure) => {
    install();
    nginx = fakeNginx(work, { njs: '1.0.2', engines: ['qjs', 'njs'], refusal });
    const said = `your configuration was not looked at: nginx -T did not work: ${refusal}${cure}`;
    expect(check()).toEqual({ code: 1, found: [expect.stringContaining(`nginx.conf: ${said}`)] });
    expect(install('--dry-run').out).toContain(`note: ${said}`);
  });
});
