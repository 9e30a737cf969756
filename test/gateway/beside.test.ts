// Inside a configuration that has its own mind about everything: what the operator set up for the whole server
// neither breaks a decision nor takes its place.

import { mkdirSync, writeFileSync } from 'node:fs';
import { hashSync } from '@node-rs/bcrypt';
import { describe, expect, it } from 'vitest';
import type { Gateway } from './harness/gateway.js';
import { startEmbedded } from './harness/embedded.js';
import { startUpstream } from './harness/upstream.js';
import { variants } from './harness/variants.js';

const plain = { 'x-api-key': 'key-beside' };
const hashed = { 'x-api-key': 'hashed-key-beside' };
const wrong = { 'x-api-key': 'wrong-key-beside' };
const keys = `key-beside scope=models\ncarol:${hashSync('hashed-key-beside', 4)} scope=models,chat\n`;
const app = 'include keygate/proxy_headers.conf; proxy_pass http://app;';
const api = `location /api/ { GUARD; ${app} }`;

// None of these may make nginx -t fail, and none may reach into Keygate's own locations.
const everything = (dir: string) => `
    resolver 127.0.0.1; resolver_timeout 1s; large_client_header_buffers 8 16k; client_max_body_size 1m;
    client_body_in_single_buffer on; js_fetch_timeout 3s; js_fetch_max_response_buffer_size 1k;
    variables_hash_max_size 4096; log_subrequest on;
    js_var $theirs 1; js_shared_dict_zone zone=theirs:1m; js_path ${dir}/scripts;
    ignore_invalid_headers off; underscores_in_headers on; merge_slashes off; recursive_error_pages on;
    proxy_buffer_size 128k; proxy_buffers 4 256k; proxy_busy_buffers_size 256k; proxy_temp_file_write_size 256k;
    proxy_max_temp_file_size 0; proxy_set_header X-Everywhere 1; proxy_http_version 1.0; proxy_bind 127.0.0.1;
    proxy_cache_path ${dir}/cache keys_zone=pages:1m; proxy_cache pages; proxy_cache_valid any 1h;
    proxy_cache_methods GET HEAD POST; proxy_cache_key $proxy_host;
    proxy_intercept_errors on; proxy_next_upstream off; proxy_pass_request_body off; proxy_buffering off;
    proxy_method GET; proxy_connect_timeout 1ms; proxy_limit_rate 1k; proxy_force_ranges on;
    ssi on; ssi_types *;
    gzip on; gzip_types *; gzip_proxied any; gzip_min_length 1; charset utf-8; charset_types *; override_charset on;
    expires 30d; add_header X-Own 1 always; default_type text/plain; etag off; if_modified_since off;
    error_page 401 403 404 500 502 503 =200 /sorry; limit_rate 1m; postpone_output 0; keepalive_timeout 5s;
    output_buffers 1 1k; client_body_buffer_size 1k; subrequest_output_buffer_size 1k; slice 1k;
`;

async function statuses(gateway: Gateway, path: string, senders: { [name: string]: string }[]): Promise<number[]> {
  const found = [];
  for (const headers of senders) found.push((await gateway.send(path, { headers })).status);
  return found;
}

describe.each(variants)('$name: beside', (variant) => {
  it('decides under everything that may stand at http level', async () => {
    const gateway = await startEmbedded({
      variant,
      keys,
      httpFirst: 'map_hash_bucket_size 128; map_hash_max_size 4096;',
      http: ({ dir }) => everything(dir),
      server:
        'location = /sorry { return 200 sorry; } location /api/ { GUARD; proxy_method $request_method; ' +
        `proxy_cache off; ${app} }`,
    });
    for (let i = 0; i < 2; i++)
      expect(await statuses(gateway, '/api/x', [{}, wrong, plain, hashed])).toEqual([401, 401, 200, 200]);
    const token = await gateway.send('/token', { method: 'POST', headers: hashed });
    expect([token.status, token.headers['cache-control'], token.headers['expires']]).toEqual([
      200,
      'no-store',
      undefined,
    ]);
    const authorization = `Bearer ${String(token.json()['token'])}`;
    expect(await statuses(gateway, '/api/x', [{ authorization }, { authorization: `${authorization}x` }])).toEqual([
      200, 401,
    ]);
    const jwks = await gateway.send('/.well-known/jwks.json');
    expect([jwks.status, jwks.headers['cache-control']]).toEqual([200, 'public, max-age=300']);
    const ready = await gateway.send('/health/ready');
    expect([ready.status, ready.headers['cache-control']]).toEqual([200, 'no-store']);
    await gateway.stop();
  });

  it.each([
    ['sub_filter admitted refused; sub_filter_types *;', /^/],
    ['proxy_set_body x;', /verify gave status 400; does a sub_filter, proxy_set_body or/],
  ])('answers 503 where the server changes what passes between nginx and the sidecar: %s', async (http, log) => {
    const gateway = await startEmbedded({ variant, keys, http, server: api });
    expect(await statuses(gateway, '/api/x', [{}, plain, wrong, hashed])).toEqual([401, 200, 503, 503]);
    expect(gateway.errorLog()).toMatch(log);
    await gateway.stop();
  });

  it("is not sent elsewhere by the server's rewrites, when locations.conf comes first", async () => {
    const gateway = await startEmbedded({
      variant,
      keys,
      server: ({ dir }) => {
        mkdirSync(`${dir}/www/files`, { recursive: true });
        writeFileSync(`${dir}/www/files/there`, 'guarded file');
        return `root ${dir}/www;
          if ($http_user_agent = scanner) { return 403; }
          if (!-e $request_filename) { rewrite ^ /index.php last; }
          rewrite ^/old/(.*)$ /files/$1;
          set $keygate_require_scope models;
          location /files/ { GUARD; set $keygate_require_scope chat; }
          location = /index.php { return 200 front; }`;
      },
    });
    expect((await gateway.send('/anything')).body).toBe('front');
    for (let i = 0; i < 2; i++)
      expect(await statuses(gateway, '/files/there', [{}, wrong, plain, hashed])).toEqual([401, 401, 403, 200]);
    expect((await gateway.send('/files/there', { headers: { ...hashed, 'user-agent': 'scanner' } })).status).toBe(403);
    await gateway.stop();
  });

  it("leaves the server's lines in force for a client that asks for a path like Keygate's own", async () => {
    const gateway = await startEmbedded({
      variant,
      keys,
      server: `set $keygate_require_scope chat;
        if ($http_user_agent = scanner) { return 403; }
        if ($uri ~ "/admin$") { return 403; }
        location / { GUARD; ${app} }`,
    });
    for (const path of ['/x', '/_keygate_x', '/_keygate_ask/x', '/_keygate_x/..;/x']) {
      expect([path, ...(await statuses(gateway, path, [plain, hashed]))]).toEqual([path, 403, 200]);
      expect([path, ...(await statuses(gateway, `${path}/admin`, [hashed]))]).toEqual([path, 403]);
      const scanner = { ...hashed, 'user-agent': 'scanner' };
      expect([path, ...(await statuses(gateway, path, [scanner]))]).toEqual([path, 403]);
    }
    expect(gateway.upstream.arrived).toHaveLength(4);
    await gateway.stop();
  });

  it("adds to the server's addresses and passwords, and answers its own refusals under them", async () => {
    const password = { authorization: `Basic ${Buffer.from('user:password').toString('base64')}` };
    const gateway = await startEmbedded({
      variant,
      keys,
      serverFirst: 'auth_basic site; auth_basic_user_file passwords; satisfy any; deny 127.0.0.9; auth_delay 10ms;',
      edit: { passwords: () => 'user:{PLAIN}password\n' },
      server: api,
    });
    const answer = await gateway.send('/api/x', { headers: { ...password, ...wrong } });
    expect([answer.status, answer.json().error.code]).toEqual([401, 'invalid_api_key']);
    expect(
      await statuses(gateway, '/api/x', [plain, password, { ...password, ...plain }, { ...password, ...hashed }]),
    ).toEqual([401, 401, 200, 200]);
    expect(await statuses(gateway, '/token', [plain, {}])).toEqual([401, 401]);
    const denied = await gateway.send('/api/x', { from: '127.0.0.9', headers: { ...password, ...plain } });
    expect([denied.status, denied.json().error.code]).toEqual([403, 'forbidden']);
    const unasked = await gateway.send('/api/x', { from: '127.0.0.9', headers: plain });
    expect([unasked.status, unasked.json().error.code]).toEqual([403, 'forbidden']);
    await gateway.stop();
  });

  it("stands in the place of the server's own auth_request, and leaves it to the other locations", async () => {
    const gateway = await startEmbedded({
      variant,
      keys,
      serverFirst:
        'auth_request /their-check; location = /their-check { internal; if ($http_x_their = yes) { return 204; } ' +
        'return 401; }',
      server: `${api} location /open/ { ${app} }`,
    });
    const theirs = { 'x-their': 'yes' };
    expect(await statuses(gateway, '/open/x', [{}, theirs, plain])).toEqual([401, 200, 401]);
    expect(await statuses(gateway, '/api/x', [plain, { ...plain, ...theirs }, { ...wrong, ...theirs }])).toEqual([
      200, 200, 401,
    ]);
    const refused = await gateway.send('/api/x', { headers: wrong });
    expect([refused.status, refused.json().error.code]).toEqual([401, 'invalid_api_key']);
    await gateway.stop();
  });

  it("takes the server's second auth_request in one location for a mistake", async () => {
    if (variant.entry === 'access') return;
    const location = `location /x/ { auth_request /their-check; GUARD; ${app} }`;
    await expect(startEmbedded({ variant, keys, server: location })).rejects.toThrow(
      /"auth_request" directive is duplicate/,
    );
  });

  it("mirrors what was admitted and nothing else to the server's mirror", async () => {
    const mirror = await startUpstream();
    const gateway = await startEmbedded({
      variant,
      keys,
      serverFirst: 'mirror /mirror;',
      server: `location = /mirror { internal; include keygate/proxy_headers.conf; proxy_pass ${mirror.url}; } ${api}`,
    });
    expect(await statuses(gateway, '/api/x', [wrong, {}])).toEqual([401, 401]);
    expect((await gateway.send('/token', { method: 'POST', headers: plain })).status).toBe(200);
    expect(await statuses(gateway, '/api/x', [plain])).toEqual([200]);
    await expect.poll(() => mirror.arrived.length).toBe(1);
    expect(mirror.arrived[0]?.headers).not.toHaveProperty('x-api-key');
    await gateway.stop();
    await mirror.close();
  });

  it("keeps refusals as they are under the server's error pages", async () => {
    const gateway = await startEmbedded({
      variant,
      keys,
      serverFirst:
        'error_page 400 401 403 404 429 500 502 503 =200 /sorry; recursive_error_pages on; proxy_intercept_errors on;',
      server: `location = /sorry { return 200 sorry; } ${api} location /open/ { return 403; }`,
    });
    expect((await gateway.send('/open/x')).body).toBe('sorry');
    await gateway.sidecar?.stop();
    for (const [headers, status] of [
      [{}, 401],
      [wrong, 503],
      [plain, 200],
    ] as const)
      expect((await gateway.send('/api/x', { headers })).status).toBe(status);
    await gateway.stop();
  });
});
