// Where a request goes inside nginx: each location that it arrives in decides for itself, by its own settings.

import { mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Gateway } from './harness/gateway.js';
import { startEmbedded } from './harness/embedded.js';
import { startUpstream, type TestUpstream } from './harness/upstream.js';
import { variants, type Variant } from './harness/variants.js';

const models = { 'x-api-key': 'key-for-models' };
const both = { 'x-api-key': 'key-for-both' };
const wrong = { 'x-api-key': 'wrong-key' };
const keys = 'key-for-models scope=models\nkey-for-both scope=models,chat\n';

const app = 'include keygate/proxy_headers.conf; proxy_pass http://app;';
const chat = `GUARD; set $keygate_require_scope chat; ${app}`;
const plain = (text: string) => `default_type text/plain; return 200 ${text};`;

const locations = (www: string, variant: Variant) => `
    root ${www};
    location /chat/ { ${chat} }
    location @chat { ${chat} }
    location @open { ${app} }

    location /try/ { GUARD; try_files $uri @chat; }
    location /try-open/ { try_files $uri @chat; }
    location /try-to-open/ { GUARD; try_files $uri @open; }
    location /try-status/ { GUARD; try_files $uri =404; }

    location /last/ { GUARD; rewrite ^/last/(.*)$ /chat/$1 last; }
    location /last-first/ { rewrite ^/last-first/(.*)$ /chat/$1 last; }
    location /break/ { GUARD; rewrite ^/break/(.*)$ /chat/$1 break; ${app} }
    location /break-first/ { rewrite ^/break-first/(.*)$ /chat/$1 break; GUARD; ${app} }
    location /break-line/ { break; GUARD; ${app} }
    location /moved/ { GUARD; rewrite ^/moved/(.*)$ /chat/$1 redirect; }
    location /gone/ { GUARD; rewrite ^/gone/(.*)$ /chat/$1 permanent; }
    location /return/ { GUARD; ${plain('returned')} }

    location /missing/ { GUARD; error_page 404 = @chat; root ${www}/none; }
    location /missing-open/ { error_page 404 = @chat; root ${www}/none; }
    location /missing-recursive/ { recursive_error_pages on; error_page 404 = @chat; root ${www}/none; }
    location /missing-to-open/ { GUARD; error_page 404 = @open; root ${www}/none; }
    location /missing-chain/ { recursive_error_pages on; error_page 404 = @chain; root ${www}/none; }
    location @chain { recursive_error_pages on; error_page 404 = @chat; root ${www}/none; }
    location /own-500/ { GUARD; error_page 500 502 = @open; set $keygate_jwt_leeway soon; ${app} }

    location /directory/ { GUARD; autoindex on; }
    location /index/ { GUARD; index page.html; }
    location = /index/page.html { ${plain('unguarded-page')} }
    location = /start/ { index page.html; }
    location /start/ { GUARD; }

    location /outer/ { GUARD; ${app}
      location /outer/inner/ { ${variant.entry === 'access' ? '' : 'GUARD;'} set $keygate_require_scope chat; ${app} }
      location /outer/forgotten/ { ${app} }
      location ~ \\.open$ { ${app} } }
    location ~ ^/regex/(?<part>\\w+)$ { GUARD; set $keygate_require_scope $part; ${app} }
    location ~ \\.php$ { ${chat} }
    location ^~ /prefix/ { GUARD; ${app} }
    location = /exact { ${chat} }
    location /uri/ { GUARD; include keygate/proxy_headers.conf; proxy_pass http://app/v1/; }
    location /variable/ { GUARD; include keygate/proxy_headers.conf; proxy_pass http://app$request_uri; }
    location /sent/ { GUARD; include keygate/proxy_headers.conf; proxy_pass http://sender; }
    location /sent-open/ { include keygate/proxy_headers.conf; proxy_pass http://sender; }
    location /files/ { internal; ${plain('internal-file')} }
    location /denied-upstream/ { GUARD; proxy_intercept_errors on; ${app.replace('app', 'sender')} }
`;

describe.each(variants)('$name: redirects', (variant) => {
  let gateway: Gateway;
  let sender: TestUpstream;

  beforeAll(async () => {
    sender = await startUpstream({}, ({ target }) => {
      const [, status, to] = /\/(\d{3})(?:\/to(\/.*|@\w+))?$/.exec(target) ?? [];
      return { status: Number(status ?? 200), headers: to === undefined ? {} : { 'x-accel-redirect': to } };
    });
    gateway = await startEmbedded({
      variant,
      keys,
      http: `upstream sender { server ${new URL(sender.url).host}; }`,
      server: ({ dir }) => {
        const www = `${dir}/www`;
        for (const folder of ['try', 'directory', 'directory/sub', 'index', 'start', 'try-status'])
          mkdirSync(`${www}/${folder}`, { recursive: true });
        for (const file of ['try/there', 'directory/listed', 'start/page.html', 'try-status/there'])
          writeFileSync(`${www}/${file}`, `content of ${file}`);
        writeFileSync(`${www}/index/page.html`, 'never sent');
        return locations(www, variant);
      },
    });
  });

  afterAll(async () => {
    await gateway?.stop();
    await sender.close();
  });

  const ask = async (path: string, headers: { [name: string]: string } = {}) => {
    const answer = await gateway.send(path, { headers });
    return [answer.status, answer.status < 300 ? answer.body : ''];
  };
  const up = [200, 'upstream'];

  // path, then what a wrong key, a key for models and a key for both are answered
  it.each([
    ['try_files: the file', '/try/there', 401, 200, 200],
    ['try_files to a guarded named location', '/try/x', 401, 403, 200],
    ['try_files from an open location to a guarded one', '/try-open/x', 401, 403, 200],
    ['try_files to an open location: the first decides', '/try-to-open/x', 401, 200, 200],
    ['try_files with a status', '/try-status/x', 401, 404, 404],
    ['rewrite last: the target decides', '/last/x', 401, 403, 200],
    ['rewrite last from an open location', '/last-first/x', 401, 403, 200],
    ['rewrite break: the location itself decides', '/break/x', 401, 200, 200],
    ['rewrite break before the include', '/break-first/x', 401, 200, 200],
    ['break before the include', '/break-line/x', 401, 200, 200],
    ['error_page to a guarded location', '/missing/x', 401, 403, 200],
    ['error_page from an open location to a guarded one', '/missing-recursive/x', 401, 403, 200],
    ['error_page to an open location: the first decides', '/missing-to-open/x', 401, 200, 200],
    ['a chain of error pages', '/missing-chain/x', 401, 403, 200],
    ["an error_page 500 of the operator's after the include", '/own-500/x', 500, 500, 500],
    ['autoindex', '/directory/', 401, 200, 200],
    ["a directory's redirect to its slash", '/directory/sub', 401, 301, 301],
    ['index to an open location: the first decides', '/index/', 401, 200, 200],
    ['index from an open location to a guarded one', '/start/', 401, 200, 200],
    ['a nested location with settings of its own', '/outer/inner/x', 401, 403, 200],
    ['a nested location without an include', '/outer/forgotten/x', 401, 200, 200],
    ['a nested regular expression without', '/outer/x.open', 401, 200, 200],
    ['a regular expression that names the scope', '/regex/chat', 401, 403, 200],
    ['the same with another scope', '/regex/models', 401, 200, 200],
    ['a regular expression before a prefix', '/outer.php', 401, 403, 200],
    ['a prefix before a regular expression', '/prefix/x.php', 401, 200, 200],
    ['an exact location', '/exact', 401, 403, 200],
  ])('%s: %s', async (_, path, ...expected) => {
    const statuses = [];
    for (const headers of [wrong, models, both]) statuses.push((await ask(path, headers))[0]);
    expect(statuses).toEqual(expected);
    expect((await ask(path))[0]).toBe(expected[0]);
  });

  it(
    'refuses after an error_page without recursive_error_pages, through auth_request with a ' + 'page of nginx',
    async () => {
      const refused = await gateway.send('/missing-open/x', { headers: wrong });
      expect(refused.status).toBe(401);
      expect(refused.headers['www-authenticate']).toContain('Bearer realm="keygate"');
      expect(refused.body.includes('"code":"invalid_api_key"')).toBe(variant.entry === 'access');
      expect((await ask('/missing-open/x', models))[0]).toBe(403);
      expect(await ask('/missing-open/x', both)).toEqual(up);
    },
  );

  it('sends the path that was rewritten, once admitted', async () => {
    const targets = [];
    for (const path of ['/break/a?b=c', '/uri/a?b=c', '/variable/a?b=c', '/last/a']) {
      gateway.upstream.arrived.length = 0;
      expect(await ask(path, both)).toEqual(up);
      expect((await ask(path, wrong))[0]).toBe(401);
      targets.push(gateway.upstream.arrived.map((one) => one.target).join());
    }
    expect(targets).toEqual(['/chat/a?b=c', '/v1/a?b=c', '/variable/a?b=c', '/chat/a']);
  });

  it("answers an operator's own return and redirects before any decision, and marks them in the log", async () => {
    expect(await ask('/return/x')).toEqual([200, 'returned']);
    expect((await ask('/moved/x'))[0]).toBe(302);
    expect((await ask('/gone/x'))[0]).toBe(301);
    expect(await ask('/prefix/marked', both)).toEqual(up);
    expect((await ask('/prefix/refused', wrong))[0]).toBe(401);
    const line = (path: string) => new RegExp(`^\\d+ ${path} "(.*?)"`, 'm').exec(gateway.accessLog())?.[1];
    const paths = ['/return/x', '/moved/x', '/gone/x', '/prefix/marked', '/prefix/refused'];
    await expect.poll(() => paths.map(line)).toEqual(['1', '1', '1', '', '']);
  });

  it.each([
    ['to a guarded location', '/200/to/chat/x', 403, up],
    ['to a guarded named location', '/200/to@chat', 403, up],
    ['to an internal file', '/200/to/files/x', [200, 'internal-file'], [200, 'internal-file']],
    ["to Keygate's auth location", '/200/to/_keygate_ask', 404, [404, '']],
    ["to Keygate's sidecar", '/200/to/_keygate_sidecar/verify', 404, [404, '']],
    ['to the answer of a refusal', '/200/to@keygate_denied', 403, [403, '']],
  ])('X-Accel-Redirect %s', async (_, path, forModels, forBoth) => {
    expect((await ask(`/sent${path}`, wrong))[0]).toBe(401);
    expect(await ask(`/sent${path}`, models)).toEqual(Array.isArray(forModels) ? forModels : [forModels, '']);
    expect(await ask(`/sent${path}`, both)).toEqual(forBoth);
    const fromOpen = await ask(`/sent-open${path}`);
    if (path.includes('chat')) expect(fromOpen[0]).toBe(401);
    else expect(fromOpen).toEqual(forBoth);
  });

  it("passes an upstream's own refusals on, and answers them itself under proxy_intercept_errors", async () => {
    for (const status of [401, 403, 404, 500]) {
      expect((await ask(`/sent/${status}`, both))[0]).toBe(status);
      expect((await gateway.send(`/sent/${status}`, { headers: both })).body).toBe('upstream');
    }
    const denied = await gateway.send('/denied-upstream/403', { headers: both });
    expect([denied.status, denied.json().error.code]).toEqual([403, 'forbidden']);
    const failed = await gateway.send('/denied-upstream/500', { headers: both });
    expect(failed.status).toBe(500);
    expect(failed.body).toContain(variant.entry === 'access' ? '"code":"internal_error"' : 'upstream');
    const own = await gateway.send('/denied-upstream/401', { headers: both });
    expect(own.status).toBe(401);
    expect(own.body).not.toContain('"error"');
  });
});
