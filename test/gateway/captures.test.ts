// An operator whose configuration lives on regular expressions: what `$1` holds, and everything made of it, is the same
// in a guarded location, in an open one beside it, and in a server without Keygate (rule 9 in docs/nginx-traps.md).

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { send } from './harness/client.js';
import { startEmbedded } from './harness/embedded.js';
import { freePort } from './harness/free_port.js';
import type { Gateway } from './harness/gateway.js';
import { variants } from './harness/variants.js';

const key = 'key-of-the-captures';

/** Idioms in which a capture matters: location by regex or prefix, and the path that is asked. */
const idioms: { [name: string]: { conf: string; path: string } } = {
  'proxy_pass with $1': { conf: 'location ~ ^/AT/a/(.*)$ { SET proxy_pass http://app/p/$1; }', path: '/a/one' },
  'proxy_pass with two': {
    conf: 'location ~ ^/AT/b/([^/]+)/(.+)$ { SET proxy_pass http://app/$2/$1; }',
    path: '/b/x/y',
  },
  'a named group': { conf: 'location ~ ^/AT/c/(?<part>.*)$ { SET proxy_pass http://app/n/$part; }', path: '/c/one' },
  proxy_set_header: {
    conf: 'location ~ ^/AT/d/(.*)$ { SET proxy_set_header X-Part $1; proxy_pass http://app; }',
    path: '/d/one',
  },
  add_header: { conf: 'location ~ ^/AT/e/(.*)$ { SET add_header X-Part $1; proxy_pass http://app; }', path: '/e/one' },
  'add_header always on an error': {
    conf: 'location ~ ^/AT/f/(.*)$ { SET add_header X-Part $1 always; return 418 $1; }',
    path: '/f/one',
  },
  alias: { conf: 'location ~ ^/AT/g/(.*)$ { SET alias FILES/$1; }', path: '/g/one.txt' },
  try_files: { conf: 'location ~ ^/AT/h/(.*)$ { SET root FILES; try_files /$1.txt =404; }', path: '/h/one' },
  'try_files to a named location': {
    conf:
      'location ~ ^/AT/i/(.*)$ { SET root FILES; try_files /none @AT_i; } location @AT_i { SET proxy_pass ' +
      'http://app/i/$1; }',
    path: '/i/one',
  },
  'rewrite break': {
    conf: 'location /AT/j/ { SET rewrite ^/AT/j/(.*)$ /q/$1 break; proxy_pass http://app; }',
    path: '/j/one',
  },
  'rewrite last': {
    conf:
      'location /AT/k/ { SET rewrite ^/AT/k/(.*)$ /AT/k2/$1 last; } location /AT/k2/ { SET proxy_pass ' +
      'http://app; }',
    path: '/k/one',
  },
  'set in an if': {
    conf: 'location /AT/l/ { SET if ($arg_v ~ ^(\\d+)$) { set $version $1; } proxy_pass http://app/v$version; }',
    path: '/l/?v=12',
  },
  'an if that does not match': {
    conf: 'location ~ ^/AT/m/(.*)$ { SET if ($arg_v ~ ^zzz) { set $unused 1; } proxy_pass http://app; }',
    path: '/m/one?v=1',
  },
  'proxy_pass in an if': {
    conf: 'location ~ ^/AT/n/(.*)$ { SET if ($arg_x) { proxy_pass http://app/x/$1; } proxy_pass http://app/y/$1; }',
    path: '/n/one',
  },
  proxy_set_body: {
    conf: "location ~ ^/AT/o/(.*)$ { SET proxy_set_body 'part=$1'; proxy_method POST; proxy_pass http://app; }",
    path: '/o/one',
  },
  proxy_cache_key: {
    conf:
      'location ~ ^/AT/p/(.*)$ { SET proxy_cache pages; proxy_cache_valid any 1m; proxy_cache_key "AT P $1"; ' +
      'proxy_pass http://app/p/$1; }',
    path: '/p/one',
  },
  'the same cache, another part': { conf: '', path: '/p/two' },
  'error_page with a capture': {
    conf:
      'location ~ ^/AT/r/(.*)$ { SET error_page 404 = /AT/r404/$1; root FILES; } location /AT/r404/ { SET ' +
      'proxy_pass http://app/miss/; }',
    path: '/r/none',
  },
  'a nested location': {
    conf: 'location ~ ^/AT/s/ { SET location ~ ^/AT/s/(.*)$ { proxy_pass http://app/s/$1; } }',
    path: '/s/one',
  },
  sub_filter: {
    conf: "location ~ ^/AT/t/(.*)$ { SET sub_filter_types *; sub_filter upstream 'part $1'; proxy_pass http://app; }",
    path: '/t/one',
  },
  return: {
    conf:
      'location ~ ^/AT/u/(.*)$ { SET try_files /none @AT_u; } location @AT_u { SET add_header X-Part $1; root ' +
      'FILES; try_files /$1.txt =404; }',
    path: '/u/one',
  },
  'access_log by capture': {
    conf: 'location ~ ^/AT/w/(.*)$ { SET set $logged $1; proxy_pass http://app/w/$logged; }',
    path: '/w/one',
  },
  'fixed prefix with proxy_pass': { conf: 'location /AT/x/ { SET proxy_pass http://app/cut/; }', path: '/x/one' },
  'two regexes in turn': {
    conf: 'location ~ ^/AT/y/(.*)$ { SET rewrite ^/AT/y/o(.*)$ /z/$1 break; proxy_pass http://app; }',
    path: '/y/one',
  },
  'upper and lower case': { conf: 'location ~* ^/AT/z/(ONE)$ { SET proxy_pass http://app/z/$1; }', path: '/z/One' },
  'a host and port from a capture': {
    conf: 'location ~ ^/AT/aa/(\\d+)/(.*)$ { SET proxy_pass http://127.0.0.1:$1/by-port/$2; }',
    path: '/aa/PORT/one',
  },
  'a redirect made of a capture': {
    conf: 'location ~ ^/AT/bb/(.*)$ { SET proxy_redirect ~^/(.*)$ /AT/$1; proxy_pass http://app; }',
    path: '/bb/one',
  },
  'an expression in a header': {
    conf: 'location ~ ^/AT/cc/([a-z]+)-(\\d+)$ { SET proxy_set_header X-Part "$2 of $1"; proxy_pass http://app; }',
    path: '/cc/part-7',
  },
  'a rewrite within a regex location': {
    conf:
      'location ~ ^/AT/dd/(.*)$ { SET set $first $1; rewrite ^/AT/dd/(.)(.*)$ /dd/$first/$2/$1 break; ' +
      'proxy_pass http://app; }',
    path: '/dd/one',
  },
  'limit_except around a capture': {
    conf: 'location ~ ^/AT/ee/(.*)$ { SET limit_except GET { deny all; } proxy_pass http://app/ee/$1; }',
    path: '/ee/one',
  },
  'a cookie path': {
    conf: 'location ~ ^/AT/ff/(.*)$ { SET proxy_cookie_path / /AT/; proxy_pass http://app/ff/$1; }',
    path: '/ff/one',
  },
  'query with a capture': { conf: 'location ~ ^/AT/q/(.*)$ { SET proxy_pass http://app/q?part=$1; }', path: '/q/one' },
};

// One line each idiom, at /plain, /open and /guarded.
function configured(at: string, set: string, files: string): string {
  const lines = Object.values(idioms).map(({ conf }) => conf);
  return lines.join('\n').replaceAll('AT', at).replaceAll('SET', set).replaceAll('FILES', files);
}

describe.each(variants)('$name: captures', (variant) => {
  let gateway: Gateway;
  let plainPort: number;

  beforeAll(async () => {
    plainPort = await freePort();
    gateway = await startEmbedded({
      variant,
      keys: `${key}\n`,
      http: ({ dir }) => {
        const files = join(dir, 'files');
        for (const site of ['a', 'b']) mkdirSync(join(files, site), { recursive: true });
        writeFileSync(join(files, 'one.txt'), 'file one');
        for (const site of ['a', 'b']) writeFileSync(join(files, site, 'page.txt'), `site ${site}`);
        return `proxy_cache_path ${dir}/cache keys_zone=pages:1m;
        server { listen 127.0.0.1:${plainPort}; ${configured('same', '', files)} }`;
      },
      server: ({ dir }) =>
        `${configured('guarded', 'GUARD include keygate/proxy_headers.conf;', join(dir, 'files'))} ` +
        `${configured('open', '', join(dir, 'files'))}`,
    });
  });

  afterAll(() => gateway?.stop());

  const ask = async (url: string, path: string, headers: { [name: string]: string }) => {
    gateway.upstream.arrived.length = 0;
    const { status, body, headers: answered } = await send(url, path, { headers });
    const [arrived] = gateway.upstream.arrived;
    const seen = arrived && {
      method: arrived.method,
      target: arrived.target,
      part: arrived.headers['x-part'],
      body: arrived.body.toString(),
    };
    return { status, body, part: answered['x-part'], seen: JSON.stringify(seen)?.replace(/guarded|open|same/g, 'AT') };
  };

  it.each(Object.keys(idioms))('%s', async (name) => {
    const { port } = new URL(gateway.upstream.url);
    const path = (idioms[name]?.path ?? '').replace('PORT', port);
    const headers = { 'x-api-key': key };
    for (const more of [{}, { 'x-request-id': 'an-id-of-the-client' }, { 'x-request-id': 'not an id' }]) {
      const same = await ask(`http://127.0.0.1:${plainPort}`, `/same${path}`, more);
      if (!path.startsWith('/p/')) expect(same.seen ?? same.body).toBeTruthy();
      const inAnyCase = { ...same };
      expect(await ask(gateway.url, `/open${path}`, { ...headers, ...more }), 'open').toEqual(inAnyCase);
      expect(await ask(gateway.url, `/guarded${path}`, { ...headers, ...more }), 'guarded').toEqual(inAnyCase);
    }
  });
});

describe.each(variants)('$name: captures of server_name', (variant) => {
  it('leaves $1 of server_name to the locations of a guarded server, open and guarded', async () => {
    const port = await freePort();
    const guard = variant.entry === 'access' ? 'locations.conf' : 'guard.conf';
    const gateway = await startEmbedded({
      variant,
      keys: `${key}\n`,
      http: ({ dir, facts }) => {
        for (const site of ['a', 'b']) {
          mkdirSync(join(dir, 'sites', site), { recursive: true });
          writeFileSync(join(dir, 'sites', site, 'page.txt'), `site ${site}`);
        }
        return `server {
          listen 127.0.0.1:${port};
          server_name ~^(.+)\\.site\\.test$;
          include keygate/${guard};
          root ${dir}/sites/$1;
          location / { ${variant.entry === 'access' ? 'GUARD' : ''} }
          location /open/ { ${variant.entry === 'access' ? '' : 'include keygate/open.conf;'} rewrite ^/open(/.*)$ $1 break; proxy_pass ${facts.upstreamUrl}; }
          location = /page.txt { ${variant.entry === 'access' ? '' : 'include keygate/open.conf;'} }
          location = /closed/page.txt { ${variant.entry === 'access' ? 'GUARD' : ''} alias ${dir}/sites/$1/page.txt; }
        }`;
      },
    });
    try {
      const url = `http://127.0.0.1:${port}`;
      for (const site of ['a', 'b']) {
        const headers = { host: `${site}.site.test`, 'x-api-key': key };
        expect((await send(url, '/page.txt', { headers: { host: headers.host } })).body).toBe(`site ${site}`);
        expect((await send(url, '/closed/page.txt', { headers })).body).toBe(`site ${site}`);
        expect((await send(url, '/closed/page.txt', { headers: { host: headers.host } })).status).toBe(401);
      }
    } finally {
      await gateway.stop();
    }
  });
});
