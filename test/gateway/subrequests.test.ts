// Requests that nginx makes by itself while it answers one. It asks no access module about them, so what is guarded
// refuses them (403), unless through auth_request the request that they belong to was admitted.

import { mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatRefusal } from '../../auth/answer.js';
import type { Gateway } from './harness/gateway.js';
import { startEmbedded } from './harness/embedded.js';
import { startUpstream, type TestUpstream } from './harness/upstream.js';
import { variants } from './harness/variants.js';

const key = { 'x-api-key': 'key-of-the-subrequests' };
const secret = 'content of a guarded file';
const refused = formatRefusal('forbidden').body;

const script = `export default {
  include: async (r) => { const a = await r.subrequest(r.args.of, { body: '' }); r.return(200, a.status + ' ' + a.responseText); },
};`;

const locations = (www: string, again: string) => `
    root ${www};
    location /guarded/ { GUARD; }
    location /guarded-app/ { GUARD; include keygate/proxy_headers.conf; proxy_pass http://app; }
    location /outer/ { GUARD; location /outer/nested/ { ${again} alias ${www}/guarded/; } }
    location = /page.html { ssi on; }
    location = /nested.html { ssi on; }
    location = /footer.html { ssi on; }
    location = /own/page.html { GUARD; ssi on; }
    location /before/ { add_before_body /guarded/secret; alias ${www}/; default_type text/html; types { } }
    location /after/ { add_after_body /guarded/secret; alias ${www}/; default_type text/html; types { } }
    location /mirrored/ { mirror /guarded-app/copy; proxy_pass http://open; }
    location /their-check/ { auth_request /guarded/secret; proxy_pass http://open; }
    location /script { js_content theirs.include; }

    location /mirror-of-guarded/ { GUARD; mirror /copy; include keygate/proxy_headers.conf; proxy_pass http://app; }
    location = /copy { internal; include keygate/proxy_headers.conf; proxy_pass http://open; }
    location /sliced/ { GUARD; slice 1k; proxy_cache pages; proxy_cache_key $uri$slice_range; proxy_cache_valid 200 206 1h;
      include keygate/proxy_headers.conf; proxy_set_header Range $slice_range; proxy_pass http://open; }
    location /updating/ { GUARD; proxy_cache pages; proxy_cache_key $uri; proxy_cache_valid 200 1s;
      proxy_cache_use_stale updating; proxy_cache_background_update on; include keygate/proxy_headers.conf; proxy_pass http://open; }
`;

describe.each(variants)('$name: subrequests', (variant) => {
  let gateway: Gateway;
  let open: TestUpstream;

  beforeAll(async () => {
    const file = 'x'.repeat(3000);
    open = await startUpstream({}, ({ headers }) => {
      const [, from = '0', to = '0'] = /bytes=(\d+)-(\d+)/.exec(headers.range ?? '') ?? [];
      if (headers.range === undefined) return { body: 'open' };
      const part = file.slice(Number(from), Number(to) + 1);
      return {
        status: 206,
        body: part,
        headers: { 'content-range': `bytes ${from}-${Number(from) + part.length - 1}/3000` },
      };
    });
    gateway = await startEmbedded({
      variant,
      keys: `${key['x-api-key']}\n`,
      edit: { 'theirs.js': () => script },
      http: ({ dir }) => `js_import theirs from theirs.js;
        proxy_cache_path ${dir}/cache keys_zone=pages:1m;
        upstream open { server ${new URL(open.url).host}; }`,
      server: ({ dir }) => {
        const www = `${dir}/www`;
        for (const folder of ['guarded', 'own']) mkdirSync(`${www}/${folder}`, { recursive: true });
        writeFileSync(`${www}/guarded/secret`, secret);
        const page = 'page [<!--#include virtual="/guarded/secret" -->] [<!--#include virtual="/footer.html" -->]';
        for (const name of ['page.html', 'own/page.html']) writeFileSync(`${www}/${name}`, page);
        writeFileSync(`${www}/footer.html`, 'footer');
        writeFileSync(`${www}/nested.html`, 'nested [<!--#include virtual="/outer/nested/secret" -->]');
        return locations(www, variant.entry === 'access' ? '' : 'GUARD;');
      },
    });
  });

  afterAll(async () => {
    await gateway?.stop();
    await open.close();
  });

  const get = (path: string, headers: { [name: string]: string } = {}) => gateway.send(path, { headers });

  it('refuses an SSI include of a page that was not admitted', async () => {
    for (const headers of [{}, { 'x-api-key': 'wrong' }, key])
      expect((await get('/page.html', headers)).body).toBe(`page [${refused}] [footer]`);
  });

  it('takes an SSI include of a page that was admitted through auth_request, and of no other', async () => {
    for (const headers of [{}, { 'x-api-key': 'wrong' }])
      expect((await get('/own/page.html', headers)).status).toBe(401);
    const included = variant.entry === 'access' ? refused : secret;
    expect((await get('/own/page.html', key)).body).toBe(`page [${included}] [footer]`);
  });

  it('refuses an include of what is nested in a guarded location and has its include too', async () => {
    if (variant.entry === 'access') return;
    expect((await get('/nested.html')).body).toBe(`nested [${refused}]`);
  });

  it('leaves who was admitted in the log of a page with includes', async () => {
    await get('/own/page.html?logged', key);
    await expect.poll(() => gateway.accessLog()).toMatch(/^200 \/own\/page.html\?logged "" "" "key-/m);
  });

  it.each(['/before/footer.html', '/after/footer.html'])('refuses what is added to a page: %s', async (path) => {
    const answer = await get(path, key);
    expect(answer.body).toContain('footer');
    expect(answer.body).toContain(refused);
    expect(answer.body).not.toContain(secret);
  });

  it('refuses a mirror into a guarded location; the mirrored request goes on', async () => {
    gateway.upstream.arrived.length = 0;
    expect((await get('/mirrored/x', key)).body).toBe('open');
    expect(gateway.upstream.arrived).toEqual([]);
  });

  it("refuses to be another auth_request's judge, whatever the credential", async () => {
    open.arrived.length = 0;
    for (const headers of [{}, key]) expect((await get('/their-check/x', headers)).status).toBe(403);
    expect(open.arrived).toEqual([]);
  });

  it("refuses a script's subrequest", async () => {
    expect((await get('/script?of=/guarded/secret', key)).body).toBe(`403 ${refused}`);
    expect((await get('/script?of=/guarded-app/x', key)).body).toBe(`403 ${refused}`);
    expect((await get('/script?of=/footer.html')).body).toBe('200 footer');
  });

  it.each(['verify', 'token', 'signature'])(
    "gives a client no way to the sidecar's %s through a page",
    async (name) => {
      const answer = await get(`/script?of=/_keygate_sidecar/${name}`, key);
      expect(answer.body).not.toMatch(/token|admitted":true/);
    },
  );

  it('mirrors a guarded request once admitted, without its credential', async () => {
    open.arrived.length = 0;
    expect((await get('/mirror-of-guarded/x', { 'x-api-key': 'wrong' })).status).toBe(401);
    expect((await get('/mirror-of-guarded/x', key)).body).toBe('upstream');
    await expect.poll(() => open.arrived.length).toBe(1);
    expect(open.arrived[0]?.headers['x-auth-user']).toMatch(/^key-/);
    expect(open.arrived[0]?.headers).not.toHaveProperty('x-api-key');
  });

  it('admits once for all slices of a file', async () => {
    expect((await get('/sliced/x')).status).toBe(401);
    const answer = await get('/sliced/x', key);
    expect([answer.status, answer.body.length]).toEqual([200, 3000]);
    expect((await get('/sliced/x')).status).toBe(401);
  });

  it('updates a cached answer in the background', async () => {
    expect((await get('/updating/x', key)).body).toBe('open');
    open.arrived.length = 0;
    await expect
      .poll(async () => [(await get('/updating/x', key)).status, open.arrived.length], {
        interval: 300,
        timeout: 10000,
      })
      .toEqual([200, 1]);
    expect((await get('/updating/x')).status).toBe(401);
  });
});
