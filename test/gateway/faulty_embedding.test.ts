// What is missing around the snippets is said: by `nginx -t` where nginx can, else by one log line at the start.

import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { send } from './harness/client.js';
import type { RunningNginx } from './harness/nginx_process.js';
import { editSettings, linesIn, makeOperator, type Lines, type Operator } from './harness/operator.js';
import { startUpstream, type TestUpstream } from './harness/upstream.js';
import { variants } from './harness/variants.js';

const dist = join(import.meta.dirname, '../../dist');
const soon = { timeout: 20000, interval: 100 };

describe.each(variants)('$name: a faulty configuration', (variant) => {
  let operator: Operator;
  let lines: Lines;
  let guard: string;
  let upstream: TestUpstream;
  let nginx: RunningNginx | undefined;

  beforeAll(async () => {
    upstream = await startUpstream();
    operator = await makeOperator(variant, upstream.url);
    guard = `include ${join(operator.keygateDir, variant.entry === 'access' ? 'guard_access.conf' : 'guard_location.conf')};`;
    lines = linesIn(install('--engine', variant.engine).out);
  });

  afterAll(async () => {
    await nginx?.stop();
    await upstream?.close();
    operator?.remove();
  });

  const install = (...args: string[]) => operator.install('--decision', `unix:${operator.dir}/decision.sock`, ...args);
  const emergencies = (changed: Lines) => {
    operator.configure(changed);
    const { code, err } = operator.test();
    expect(code).toBe(1);
    return err;
  };
  const without = (context: keyof Lines, part: string) => ({
    ...lines,
    [context]: lines[context].filter((line) => !line.includes(part)),
  });

  it('names what is missing at nginx -t', () => {
    expect(emergencies(without('main', 'load_module'))).toMatch(/unknown directive "js_(?:var|engine)"/);
    expect(emergencies(without('http', 'http.conf'))).toMatch(/unknown "keygate_\w+" variable|\[emerg\].*keygate/);
    const twice = { ...lines, server: [...lines.server, 'location = /keygate/health { return 200; }'] };
    expect(emergencies(twice)).toContain('duplicate location "/keygate/health"');
    const bare = { ...lines, server: [], open: [], passing: [guard] };
    expect(emergencies(bare)).toContain('unknown "keygate_location_not_configured" variable');
  });

  it('refuses the bundle for qjs on the other engine, and says what to do', () => {
    copyFileSync(join(dist, 'keygate.js'), join(operator.keygateDir, 'keygate.js'));
    const server = join(operator.keygateDir, 'decision_server.conf');
    writeFileSync(server, readFileSync(server, 'utf8').replace('js_engine qjs;', 'js_engine njs;'));
    expect(emergencies(lines)).toContain('keygate_js_is_for_js_engine_qjs__run_keygate_install_again');
    install('--engine', variant.engine);
    expect(operator.test().code).toBe(0);
  });

  it('admits nobody in a server without locations.conf, though every path there is answered with 200', async () => {
    const everything = 'location / { return 200 everything; }';
    const other = `server { listen unix:${operator.dir}/other; ${lines.server.map((line) => line.replace(/#.*/, '')).join(' ')} }`;
    const keys = join(operator.dir, 'keys.txt');
    writeFileSync(keys, 'a-key\n');
    editSettings(operator.keygateDir, { api_keys_file: keys });
    const passing = [guard, ...lines.passing];
    operator.configure({ ...lines, http: [...lines.http, other], server: [everything], open: [], passing });
    nginx = await operator.start();
    for (const headers of [{}, { 'x-api-key': 'a-key' }, { 'x-api-key': 'wrong' }] as {
      [name: string]: string;
    }[]) {
      expect((await send(operator.url, '/api/x', { headers })).status).toBe(500);
    }
    expect(upstream.arrived).toEqual([]);
    expect((await send(operator.url, '/elsewhere')).body).toBe('everything');
    expect(operator.errorLog()).toContain('using uninitialized "keygate_location_not_configured" variable');
    await nginx.stop();
    nginx = undefined;
  });

  it('logs once at the start what only shows there, and admits nobody', async () => {
    const url = 'https://issuer.test/jwks.json';
    const keys = join(operator.dir, 'keys.txt');
    writeFileSync(keys, 'a-key\n');
    editSettings(operator.keygateDir, { jwks_url: url, api_keys_file: keys });
    copyFileSync(join(dist, 'keygate.es5.js'), join(operator.keygateDir, 'keygate.js'));
    operator.configure(lines);
    nginx = await operator.start();
    const logged = (text: string) => operator.errorLog().split(text).length - 1;
    await vi.waitFor(
      () => expect(logged('JWKS_URL: nginx can not look its host up: add a `resolver` line to http')).toBe(1),
      soon,
    );
    expect(logged('$keygate_jwt_issuer and $keygate_jwt_audience need values, or the word any')).toBe(1);
    expect(logged('keygate.js is the bundle for js_engine njs, but the engine is qjs')).toBe(
      variant.engine === 'qjs' ? 1 : 0,
    );
    const answer = await send(operator.url, '/api/x', { headers: { 'x-api-key': 'a-key' } });
    expect(answer.status).toBe(500);
    expect(readFileSync(join(operator.keygateDir, 'settings.conf'), 'utf8')).toContain(url);
  });
});
