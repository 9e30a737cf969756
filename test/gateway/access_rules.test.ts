// Beside nginx's own ways to say who may do what: they add to the decision, none of them takes its place.

import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Gateway } from './harness/gateway.js';
import { guardOf, startEmbedded } from './harness/embedded.js';
import { startUpstream, type TestUpstream } from './harness/upstream.js';
import { variants } from './harness/variants.js';

const key = { 'x-api-key': 'key-of-the-rules' };
const wrong = { 'x-api-key': 'wrong-key' };
const password = { authorization: `Basic ${Buffer.from('user:password').toString('base64')}` };
const app = 'include keygate/proxy_headers.conf; proxy_pass http://app;';

const locations = (dir: string) => `
    location /allowed/ { GUARD; allow 127.0.0.1; deny all; ${app} }
    location /denied/ { GUARD; deny 127.0.0.1; allow all; ${app} }
    location /password/ { GUARD; auth_basic site; auth_basic_user_file ${dir}/passwords; ${app} }

    location /read/ { GUARD; limit_except GET { deny all; } ${app} }
    location /write-allowed/ { GUARD; limit_except GET { allow all; } ${app} }
    location /read-by-if/ { GUARD; if ($request_method !~ "^(GET|HEAD)$") { return 405; } ${app} }

    location /if/ { GUARD; if ($arg_way = set) { set $unused 1; } if ($arg_way = return) { return 204; }
      if ($arg_way = rewrite) { rewrite ^ /rewritten/x last; } if ($arg_way = break) { break; }
      if ($arg_way = pass) { proxy_pass http://other; } if ($arg_way = header) { add_header X-If 1; }
      ${app} }
    location /if-first/ { if ($arg_way = pass) { proxy_pass http://other; } if ($arg_way = break) { break; } GUARD; ${app} }
    location /rewritten/ { GUARD; set $keygate_require_scope chat; ${app} }

    location /limited/ { GUARD; limit_req zone=few; limit_req_status 429; include keygate/errors.conf; ${app} }
    location /cached/ { GUARD; proxy_cache pages; proxy_cache_valid 200 1h; ${app} }
    location /cached-each/ { GUARD; proxy_cache pages; proxy_cache_valid 200 1h; proxy_cache_key "$keygate_issuer $keygate_user $request_uri"; ${app} }
    location /header/ { GUARD; add_header X-Own "$keygate_method" always; ${app} }
    location /files/ { GUARD; alias ${dir}/www/; add_header Cache-Control private; }
    location /open/ { ${app} }
`;

const servers = (variant: Parameters<typeof guardOf>[0], port: number) => `
    server { listen 127.0.0.1:${port}; server_name scoped.example; include keygate/locations.conf;
      set $keygate_require_scope chat;
      location /inherits/ { ${guardOf(variant)} ${app} }
      location /own/ { ${guardOf(variant)} set $keygate_require_scope models; ${app} }
      location /weaker/ { ${guardOf(variant)} set $keygate_require_scope ""; ${app} }
      location /open/ { ${app} } }
    server { listen 127.0.0.1:${port}; server_name without.example; location / { return 200 without; } }
    server { listen 127.0.0.1:${port}; server_name bare.example; location / { ${guardOf(variant)} ${app} }
      location @keygate_denied { return 403; } location @keygate_failed { return 500; } }
`;

describe.each(variants)('$name: access rules', (variant) => {
  let gateway: Gateway;
  let other: TestUpstream;

  beforeAll(async () => {
    other = await startUpstream({}, () => ({ body: 'other' }));
    gateway = await startEmbedded({
      variant,
      keys: 'key-of-the-rules scope=models\nkey-of-another scope=chat\n',
      serverFirst: 'server_name default.example;',
      http: ({ dir, port }) => `
        limit_req_zone $binary_remote_addr zone=few:1m rate=1r/m;
        proxy_cache_path ${dir}/cache keys_zone=pages:1m;
        upstream other { server ${new URL(other.url).host}; }
        ${servers(variant, port)}`,
      server: ({ dir }) => {
        writeFileSync(`${dir}/passwords`, 'user:{PLAIN}password\n');
        return locations(dir);
      },
      edit: { '../www/file': () => 'a guarded file' },
    });
  });

  afterAll(async () => {
    await gateway?.stop();
    await other.close();
  });

  const status = async (path: string, headers: { [name: string]: string } = {}, method = 'GET') =>
    (await gateway.send(path, { headers, method })).status;

  it('needs an allowed address and a credential', async () => {
    expect([await status('/allowed/x'), await status('/allowed/x', wrong), await status('/allowed/x', key)]).toEqual([
      401, 401, 200,
    ]);
    expect([await status('/denied/x', key), await status('/denied/x', wrong)]).toEqual([
      403,
      variant.entry === 'access' ? 401 : 403,
    ]);
  });

  it('needs a password and a credential', async () => {
    const statuses = [await status('/password/x', { ...password, ...key })];
    for (const headers of [key, password, { ...password, ...wrong }, {}])
      statuses.push(await status('/password/x', headers));
    expect(statuses).toEqual([200, 401, 401, 401, 401]);
  });

  it('answers no method that limit_except takes out of the location', async () => {
    gateway.upstream.arrived.length = 0;
    expect([await status('/read/x', key), await status('/read/x')]).toEqual([200, 401]);
    expect([await status('/read/x', key, 'POST'), await status('/read/x', wrong, 'POST')]).toEqual([
      403,
      variant.entry === 'access' ? 401 : 403,
    ]);
    expect(gateway.upstream.arrived).toHaveLength(1);
    for (const headers of [wrong, {}]) expect(await status('/write-allowed/x', headers, 'POST')).toBe(401);
    expect(gateway.upstream.arrived).toHaveLength(1);
    expect(await status('/write-allowed/x', key, 'POST')).toBe(200);
    expect([await status('/read-by-if/x', key, 'POST'), await status('/read-by-if/x', key)]).toEqual([405, 200]);
  });

  it.each([
    ['set', 401, 200, 'upstream'],
    ['break', 401, 200, 'upstream'],
    ['header', 401, 200, 'upstream'],
    ['pass', 401, 200, 'other'],
    ['rewrite', 401, 403, undefined],
    ['return', 204, 204, ''],
  ])('if with %s inside', async (way, refused, admitted, body) => {
    expect(await status(`/if/x?way=${way}`, wrong)).toBe(refused);
    const answer = await gateway.send(`/if/x?way=${way}`, { headers: key });
    expect(answer.status).toBe(admitted);
    if (body !== undefined) expect(answer.body).toBe(body);
  });

  it('tells the application of an if who the client is', async () => {
    other.arrived.length = 0;
    expect(await status('/if/x?way=pass', { ...key, 'x-auth-user': 'root' })).toBe(400);
    expect(other.arrived).toEqual([]);
    await status('/if/x?way=pass', key);
    expect(other.arrived[0]?.headers['x-auth-user']).toMatch(/^key-/);
    expect(other.arrived[0]?.headers).not.toHaveProperty('x-api-key');
  });

  it('decides whatever an if before the include does', async () => {
    expect([await status('/if-first/x?way=pass', wrong), await status('/if-first/x?way=pass', key)]).toEqual([
      401, 200,
    ]);
    expect([await status('/if-first/x?way=break', wrong), await status('/if-first/x?way=break', key)]).toEqual([
      401, 200,
    ]);
  });

  it('decides after a limit of the operator has let the request through', async () => {
    expect(await status('/limited/x', wrong)).toBe(401);
    const answer = await gateway.send('/limited/x', { headers: key });
    expect([answer.status, answer.json().error.code]).toEqual([429, 'rate_limited']);
  });

  it('answers from a cache only after a decision, and by user where the key of the cache says so', async () => {
    const another = { 'x-api-key': 'key-of-another' };
    for (const folder of ['cached', 'cached-each']) {
      gateway.upstream.arrived.length = 0;
      expect(await status(`/${folder}/x`, key)).toBe(200);
      expect(await status(`/${folder}/x`, key)).toBe(200);
      expect([await status(`/${folder}/x`), await status(`/${folder}/x`, wrong)]).toEqual([401, 401]);
      expect(await status(`/${folder}/x`, another)).toBe(200);
      expect(gateway.upstream.arrived).toHaveLength(folder === 'cached' ? 1 : 2);
    }
  });

  it('leaves add_header and static files as they are', async () => {
    expect((await gateway.send('/header/x', { headers: key })).headers['x-own']).toBe('api_key');
    expect((await gateway.send('/header/x')).headers).not.toHaveProperty('x-own');
    const range = { ...key, range: 'bytes=2-8' };
    const part = await gateway.send('/files/file', { headers: range });
    expect([part.status, part.body, part.headers['cache-control']]).toEqual([206, 'guarded', 'private']);
    expect([await status('/files/file', wrong), await status('/files/../passwords', key)]).toEqual([401, 404]);
  });

  it('judges each server by its own settings', async () => {
    const at = (host: string, path: string, headers: { [name: string]: string }) => status(path, { host, ...headers });
    const another = { 'x-api-key': 'key-of-another' };
    const ask = async (path: string) =>
      Promise.all([key, another, wrong].map((headers) => at('scoped.example', path, headers)));
    expect(await ask('/inherits/x')).toEqual([403, 200, 401]);
    expect(await ask('/own/x')).toEqual([200, 403, 401]);
    expect(await ask('/weaker/x')).toEqual([200, 200, 401]);
    expect(await ask('/open/x')).toEqual([200, 200, 200]);
    expect(await at('unknown.example', '/files/file', wrong)).toBe(401);
    expect(await at('without.example', '/x', {})).toBe(200);
  });

  it('is closed in a server without locations.conf', async () => {
    expect([
      await status('/x', { host: 'bare.example', ...key }),
      await status('/x', { host: 'bare.example', ...wrong }),
    ]).toEqual([500, 500]);
  });
});

describe.each(variants)('$name: satisfy', (variant) => {
  it('is refused by nginx -t in the location, and overruled where it is inherited', async () => {
    const location = `location /x/ { satisfy any; allow all; GUARD; ${app} }`;
    await expect(startEmbedded({ variant, keys: '', server: location })).rejects.toThrow(
      /"satisfy" directive is duplicate/,
    );
    const gateway = await startEmbedded({
      variant,
      keys: 'key-of-the-rules\n',
      serverFirst: 'satisfy any; allow 127.0.0.1; deny all;',
      server: `location /x/ { GUARD; ${app} }`,
    });
    const statuses = [];
    for (const headers of [{}, wrong, key]) statuses.push((await gateway.send('/x/x', { headers })).status);
    await gateway.stop();
    expect(statuses).toEqual([401, 401, 200]);
  });
});
