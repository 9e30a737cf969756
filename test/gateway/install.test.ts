// `keygate install` for a real nginx: the lines that it prints are put into a configuration, and that serves.

import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hashSync } from '@node-rs/bcrypt';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { PlacedLines } from '../../nginx/placement/placed_lines.js';
import { send } from './harness/client.js';
import type { RunningNginx } from './harness/nginx_process.js';
import { editSettings, linesIn, makeOperator, type Lines, type Operator, type Ran } from './harness/operator.js';
import { startSidecar, type RunningSidecar } from './harness/sidecar_process.js';
import { startUpstream, type TestUpstream } from './harness/upstream.js';
import { variants, type Variant } from './harness/variants.js';

const key = 'key-of-the-operator';
const headers = { 'x-api-key': key };
const soon = { timeout: 20000, interval: 100 };

/** The printed lines, or with js_access what docs/embedding.md says to write in their place. */
function linesFor(variant: Variant, { keygateDir }: Operator, printed: string): Lines {
  const lines = linesIn(printed);
  if (variant.entry === 'auth_request') return lines;
  const server = lines.server.map((line) => line.replace('/guard.conf', '/locations.conf'));
  return { ...lines, server, passing: [`include ${keygateDir}/guard_access.conf;`, ...lines.passing] };
}

describe.each(variants)('$name: keygate install', (variant) => {
  let upstream: TestUpstream;
  let operator: Operator;
  let sidecar: RunningSidecar;
  let nginx: RunningNginx;
  let printed = '';
  const engine = ['--engine', variant.engine];

  beforeAll(async () => {
    upstream = await startUpstream();
    operator = await makeOperator(variant, upstream.url);
    const stateDir = join(operator.dir, 'state');
    const keysFile = join(stateDir, 'keys', 'api_keys.txt');
    const socket = join(stateDir, 'run', 'verifier.sock');
    for (const part of ['keys', 'run']) mkdirSync(join(stateDir, part), { recursive: true });
    writeFileSync(keysFile, `alice:${hashSync(key, 4)}\n`);
    sidecar = await startSidecar({ env: { STATE_DIR: stateDir, API_KEYS_FILE: keysFile }, socket });
    const ran = operator.install(...engine, '--decision', `unix:${operator.dir}/decision.sock`);
    expect(ran, ran.err).toMatchObject({ code: 0, err: '' });
    printed = ran.out;
    operator.configure(linesFor(variant, operator, printed));
    editSettings(operator.keygateDir, { api_keys_file: keysFile, state_dir: stateDir, sidecar: `unix:${socket}` });
    nginx = await operator.start();
  });

  afterAll(async () => {
    await nginx?.stop();
    await sidecar?.stop();
    await upstream?.close();
    operator?.remove();
  });

  const read = (name: string) => readFileSync(join(operator.keygateDir, name), 'utf8');
  const restart = async (prefix: string) => {
    await nginx.stop(); // not a reload: old workers would answer for a while
    nginx = await operator.start(prefix);
  };

  // The asking side and the listening side name the same sockets: those of --decision.
  const expectAddress = (file: string) => {
    const places = (name: string, pattern: RegExp) => [...read(name).matchAll(pattern)].map(([, place]) => place ?? '');
    const asked = places('decision_address.conf', /^ +server unix:(\S+) /gm);
    expect(asked.length).toBeGreaterThan(0);
    expect(asked.every((place) => place.startsWith(join(operator.dir, file)))).toBe(true);
    expect(places('decision_listen.conf', /^listen unix:(\S+) /gm)).toEqual(asked);
    return asked;
  };

  it('prints lines that nginx takes without a word', () => {
    const { code, err } = operator.test();
    expect({ code, said: err.split('\n').filter((line) => /\[(?:warn|emerg|alert|error)\]/.test(line)) }).toEqual({
      code: 0,
      said: [],
    });
  });

  it('guards the server but for what is opened', async () => {
    expect((await send(operator.url, '/open/x')).body).toBe('open');
    const refused = await send(operator.url, '/api/x');
    expect(refused.status).toBe(401);
    expect(refused.json().error.code).toBe('missing_credential');
    expect((await send(operator.url, '/api/x', { headers })).body).toBe('upstream');
    expect(upstream.arrived.at(-1)?.headers).toMatchObject({ 'x-auth-user': 'alice' });
    expect(upstream.arrived.at(-1)?.headers).not.toHaveProperty('x-api-key');
    const elsewhere = variant.entry === 'auth_request' ? 401 : 404; // guard_access.conf guards one location
    expect((await send(operator.url, '/elsewhere')).status).toBe(elsewhere);
    expect((await send(operator.url, '/elsewhere', { headers })).status).toBe(404);
  });

  it('serves the routes, and takes a body for POST /token that the server would not', async () => {
    const { url } = operator;
    expect((await send(url, '/keygate/health')).json()).toEqual({ status: 'ok' });
    expect((await send(url, '/keygate/health/ready')).status).toBe(200);
    expect((await send(url, '/keygate/.well-known/jwks.json')).json()).toHaveProperty('keys');
    const minted = await send(url, '/keygate/token', { method: 'POST', headers, body: '{"ttl":60}' });
    expect(minted.status).toBe(200);
    const { token } = minted.json() as unknown as { token: string };
    const used = await send(url, '/api/x', { headers: { authorization: `Bearer ${token}` } });
    expect(used.status).toBe(200);
  });

  it(
    'lets nobody ask the decision server but this nginx: by a secret that both sides have from one ' + 'installation',
    async () => {
      const [, sent] = /X-Keygate-Secret ([0-9a-f]{32});/.exec(read('decision_secret.conf')) ?? [];
      const [, expected] = /^ +([0-9a-f]{32}) 1;/m.exec(read('decision_asker.conf')) ?? [];
      expect(sent).toBeDefined();
      expect(sent).toBe(expected);
      expectAddress('decision.sock');
    },
  );

  it(
    'installs again without touching settings.conf, secret and address, and nginx takes that up ' + 'with a reload',
    async () => {
      const kept = [
        'settings.conf',
        'decision_secret.conf',
        'decision_asker.conf',
        'decision_address.conf',
        'decision_listen.conf',
      ];
      const before = kept.map(read);
      rmSync(join(operator.keygateDir, 'guard.conf'));
      const again = operator.install(...engine);
      expect(again.out).toContain('written: guard.conf\n');
      expect(kept.map(read)).toEqual(before);
      expect(operator.test().code).toBe(0);
      nginx.reload();
      expect((await send(operator.url, '/api/x', { headers })).status).toBe(200);
    },
  );

  it('brings the best engine where none is asked for, and has nothing to add from then on', () => {
    const again = JSON.parse(operator.install('--json', '--dry-run').out) as {
      engine: string;
      places: object[];
      lines: Lines;
      advice: string[];
    };
    expect(again.engine).toBe(variant.runtime === 'debian14' ? 'qjs' : 'njs');
    expect(again.places).toEqual([]);
    expect(Object.values(again.lines).flat()).toEqual([]);
    expect(again.advice.join()).not.toContain('large_client_header_buffers');
    expect(read('decision_server.conf')).toContain(`js_engine ${variant.engine};`);
  });

  it('puts the routes under another prefix', async () => {
    expect(operator.install(...engine, '--prefix', '/auth').out).toContain('written: routes.conf\n');
    expect(operator.test().code).toBe(0);
    await restart('/auth');
    const status = async (path: string, method = 'GET') => (await send(operator.url, path, { method, headers })).status;
    expect(await status('/auth/health')).toBe(200);
    for (const gone of ['/health', '/keygate/health']) expect(await status(gone)).toBe(404);
    await vi.waitFor(async () => expect(await status('/auth/health/ready')).toBe(200), soon);
    expect(await status('/auth/.well-known/jwks.json')).toBe(200);
    expect(await status('/auth/token', 'POST')).toBe(200);
    expect(await status('/auth/token')).toBe(405);
    for (const gone of ['/token', '/keygate/token']) expect(await status(gone, 'POST')).toBe(404);
  });

  it('moves the decision server where --decision says', async () => {
    const { out } = operator.install(...engine, '--decision', `unix:${operator.dir}/elsewhere.sock`);
    expect(out).toContain('written: decision_address.conf, decision_listen.conf\n');
    const sockets = expectAddress('elsewhere.sock');
    await restart('/auth');
    await vi.waitFor(async () => expect((await send(operator.url, '/api/x', { headers })).status).toBe(200), soon);
    for (const socket of sockets) expect(statSync(socket).isSocket(), socket).toBe(true);
  });

  it('writes files that everybody may read and only the owner may change; the secret is for the owner alone', () => {
    for (const name of ['http.conf', 'settings.conf', 'keygate.js', '.keygate-installed.json']) {
      expect(statSync(join(operator.keygateDir, name)).mode & 0o777, name).toBe(0o644);
    }
    for (const name of ['decision_secret.conf', 'decision_asker.conf']) {
      expect(statSync(join(operator.keygateDir, name)).mode & 0o777, name).toBe(0o600);
    }
  });
});

// What is printed, put where it says: into a site of its own file, as packages and certbot keep them.
describe.each(variants.filter(({ entry }) => entry === 'auth_request'))('$name: lines by file and line', (variant) => {
  it('guard a site, and leave nothing to add or to find', async () => {
    const upstream = await startUpstream();
    const operator = await makeOperator(variant, upstream.url);
    const address = ['--decision', `unix:${operator.dir}/decision.sock`];
    const keys = join(operator.dir, 'keys.txt');
    writeFileSync(keys, `${key}\n`);
    splitIntoSite(operator, upstream.url);
    const dump = join(operator.dir, 'dump');
    const saveDump = () => writeFileSync(dump, spawnSync(operator.program, ['-T'], { encoding: 'utf8' }).stdout);
    saveDump();
    const placesOf = ({ out }: Ran) => (JSON.parse(out) as { places: PlacedLines[] }).places;
    const rendered = operator.render('--dump', dump, '--engine', variant.engine, '--dry-run', '--json');
    const places = placesOf(operator.install('--engine', variant.engine, ...address, '--json'));
    expect(placesOf(rendered)).toEqual(places);
    for (const { file, line, lines } of [...places].sort((a, b) => b.line - a.line)) insertLines(file, line, lines);
    editSettings(operator.keygateDir, { api_keys_file: keys, state_dir: operator.dir });
    expect(operator.test().err).not.toMatch(/\[(?:warn|emerg|alert|error)\]/);
    expect(placesOf(operator.install('--dry-run', '--engine', variant.engine, '--json'))).toEqual([]);
    const checked = operator.install('--check', '--engine', variant.engine);
    expect(checked, checked.out).toMatchObject({ code: 0 });
    const nginx = await operator.start();
    try {
      await vi.waitFor(async () => expect((await send(operator.url, '/a/x', { headers })).body).toBe('upstream'), soon);
      expect(upstream.arrived.at(-1)?.headers).toMatchObject({
        'x-auth-method': 'api_key',
        'x-site': 'mine',
      });
      expect(upstream.arrived.at(-1)?.headers).not.toHaveProperty('x-api-key');
      for (const path of ['/a/x', '/a/b/x', '/elsewhere']) expect((await send(operator.url, path)).status).toBe(401);
      expect((await send(operator.url, '/.well-known/acme-challenge/x')).body).toBe('open');
    } finally {
      await nginx.stop();
      await upstream.close();
      operator.remove();
    }
  });
});

/** Moves the server of an operator into a file of its own. */
function splitIntoSite({ dir, port }: Operator, upstreamUrl: string): void {
  const conf = join(dir, 'nginx', 'nginx.conf');
  const text = readFileSync(conf, 'utf8');
  mkdirSync(join(dir, 'nginx', 'sites'));
  mkdirSync(join(dir, 'www/.well-known/acme-challenge'), { recursive: true });
  writeFileSync(join(dir, 'www/.well-known/acme-challenge/x'), 'open');
  writeFileSync(
    conf,
    `${text.slice(0, text.indexOf('    server {'))}    map_hash_bucket_size 128;\n    include sites/*;\n}\n`,
  );
  writeFileSync(
    join(dir, 'nginx', 'sites', 'app'),
    `server {
    listen 127.0.0.1:${port};
    proxy_set_header X-Site mine;
    location /a/ {
        proxy_pass ${upstreamUrl};
        location /a/b/ {
            proxy_set_header X-Other 1;
            proxy_pass ${upstreamUrl};
        }
    }
    location /.well-known/acme-challenge/ {
        root ${dir}/www;
    }
}
`,
  );
}

function insertLines(file: string, line: number, lines: string[]): void {
  const before = readFileSync(file, 'utf8').split('\n');
  writeFileSync(file, [...before.slice(0, line), ...lines, ...before.slice(line)].join('\n'));
}

describe('keygate install over another version', () => {
  it('names the files that are no longer part of it, and leaves them where they are', async () => {
    const operator = await makeOperator(variants[0] as Variant, 'http://127.0.0.1:1');
    const old = {
      'server.conf': '# of 0.0.9\n',
      'location.conf': '# of 0.0.9, and changed by hand\n',
      'http.conf': '# of 0.0.9\n',
    };
    mkdirSync(operator.keygateDir, { recursive: true });
    for (const [name, text] of Object.entries(old)) writeFileSync(join(operator.keygateDir, name), text);
    const files = Object.fromEntries(Object.keys(old).map((name) => [name, '0'.repeat(64)]));
    const record = { version: '0.0.9', engine: 'qjs', prefix: '', files };
    writeFileSync(join(operator.keygateDir, '.keygate-installed.json'), JSON.stringify(record));
    const checked = operator.install('--check');
    expect(checked.code).toBe(1);
    const { code, out } = operator.install();
    expect(code).toBe(0);
    for (const said of [checked.out, out]) expect(said).toMatch(/no longer part of Keygate/);
    expect(out).toContain('no longer part of Keygate: server.conf, location.conf\n');
    expect(out).toMatch(/http\.conf had been changed by hand: that is now http\.conf\.orig-/);
    const read = (name: string) => readFileSync(join(operator.keygateDir, name), 'utf8');
    for (const name of ['server.conf', 'location.conf'] as const) expect(read(name)).toBe(old[name]);
    expect(read('routes.conf'), 'clients know them there').toContain('location = /token {');
    expect(read('decision_address.conf')).toContain('server 127.0.0.1:9147 ');
    expect(read('decision_listen.conf')).toContain('listen 127.0.0.1:9147 ');
    operator.remove();
  });
});

// js_engine and js_import stand in the decision server alone.
describe('keygate install beside scripts of the operator', () => {
  const engines = ['njs', 'qjs'] as const;
  const nginxes = variants.filter((one) => one.entry === 'auth_request' && one.runtime === 'debian14');
  const pairs = nginxes.flatMap((variant) => engines.map((own) => ({ ...variant, variant, own })));

  it.each(pairs)('leaves them on their engine $own: $name', async ({ variant, own }) => {
    const operator = await makeOperator(variant, 'http://127.0.0.1:1');
    writeFileSync(join(operator.dir, 'own.js'), 'export default { which: (r) => r.return(200, njs.engine) };\n');
    const { out } = operator.install('--engine', variant.engine, '--decision', `unix:${operator.dir}/decision.sock`);
    const printed = linesIn(out);
    operator.configure({
      ...printed,
      http: [own === 'qjs' ? 'js_engine qjs;' : '', `js_import own from ${operator.dir}/own.js;`, ...printed.http],
      server: [...printed.server, `location = /own { ${printed.open.join(' ')} js_content own.which; }`],
    });
    const keys = join(operator.dir, 'keys.txt');
    writeFileSync(keys, `${key}\n`);
    editSettings(operator.keygateDir, { api_keys_file: keys, state_dir: operator.dir });
    const nginx = await operator.start();
    try {
      expect((await send(operator.url, '/own')).body.toLowerCase()).toBe(own === 'qjs' ? 'quickjs' : 'njs');
      expect((await send(operator.url, '/api/x')).status).toBe(401);
      await vi.waitFor(async () => expect((await send(operator.url, '/api/x', { headers })).status).toBe(502), soon);
    } finally {
      await nginx.stop();
      operator.remove();
    }
  });
});
