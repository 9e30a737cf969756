// Doors that nginx's own rules opened in configurations of the public: headers and identity in locations that have no
// header file, error pages, host names, and settings in what is nested or redirected to.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEmbedded } from './harness/embedded.js';
import { exchange } from './harness/examples.js';
import type { Gateway } from './harness/gateway.js';
import { startGrpcService, startResponder, type Responder } from './harness/responders.js';
import { startUpstream, type TestUpstream } from './harness/upstream.js';
import { variants, type Variant } from './harness/variants.js';

const plain = { 'x-api-key': 'key-of-the-doors' };
const admin = { 'x-api-key': 'key-of-the-admin' };
const keys = 'key-of-the-doors scope=models\nkey-of-the-admin scope=admin,models\n';

const isAccess = ({ entry }: Variant) => entry === 'access';
const asking = variants.filter((variant) => !isAccess(variant));

describe.each(variants)('$name: who a client says that it is', (variant) => {
  let gateway: Gateway;
  const responders: Responder[] = [];

  beforeAll(async () => {
    for (const protocol of ['fastcgi', 'uwsgi', 'scgi'] as const) responders.push(await startResponder(protocol));
    responders.push(await startGrpcService());
    const [fastcgi, uwsgi, scgi, grpc] = responders.map(({ address }) => address);
    const guard = isAccess(variant) ? 'GUARD;' : '';
    const open = isAccess(variant) ? '' : 'location /open/ { include keygate/open.conf; proxy_pass http://app; }';
    gateway = await startEmbedded({
      variant,
      keys,
      isServerGuarded: !isAccess(variant),
      serverFirst: 'underscores_in_headers on; proxy_set_header X-Own server;',
      server: `
        location /none/ { ${guard} proxy_pass http://app; }
        location /own/ { ${guard} proxy_set_header X-Own 1; proxy_pass http://app; }
        location /outer/ { ${guard} include keygate/proxy_headers.conf; proxy_pass http://app;
          location /outer/inner/ { proxy_set_header X-Own 1; proxy_pass http://app; } }
        location /if/ { ${guard} if ($arg_x) { proxy_pass http://app; } include keygate/proxy_headers.conf; proxy_pass http://app; }
        location /try/ { ${guard} try_files /none @app; }
        location @app { proxy_pass http://app; }
        location /fastcgi/ { ${guard} fastcgi_param REQUEST_URI $request_uri; fastcgi_pass ${fastcgi}; }
        location /uwsgi/ { ${guard} uwsgi_param REQUEST_URI $request_uri; uwsgi_pass ${uwsgi}; }
        location /scgi/ { ${guard} scgi_param REQUEST_URI $request_uri; scgi_pass ${scgi}; }
        location /grpc/ { ${guard} grpc_pass grpc://${grpc}; }
        ${open}`,
    });
  });

  afterAll(async () => {
    await gateway?.stop();
    for (const one of responders) one.close();
  });

  const paths = [
    'none',
    'own',
    'outer',
    'outer/inner',
    'if',
    'try',
    'fastcgi',
    'uwsgi',
    'scgi',
    'grpc',
    ...(isAccess(variant) ? [] : ['open']),
  ];

  it.each(paths)('is refused in /%s/, whatever it passes to', async (path) => {
    const arrivals = () => [gateway.upstream, ...responders].map(({ arrived }) => arrived.length);
    const before = arrivals();
    for (const name of ['X-Auth-User', 'x-auth-issuer', 'X-AUTH-METHOD', 'X_Auth_User', 'X-Auth_Issuer'])
      for (const value of ['root', '0', 'false', '-']) {
        const answer = await gateway.send(`/${path}/x?x=1`, { headers: { ...plain, [name]: value } });
        expect([name, value, answer.status]).toEqual([name, value, 400]);
      }
    expect(arrivals()).toEqual(before);
    expect((await gateway.send(`/${path}/x?x=1`, { headers: { ...plain, 'x-auth-user': '' } })).status).toBe(200);
    expect(arrivals()).not.toEqual(before);
  });

  it('may call the server by a name with _, or by none in HTTP/1.0', async () => {
    for (const host of ['my_app', 'my_app:8080', '_', 'a-b_c.internal'])
      expect((await gateway.send('/own/x', { headers: { ...plain, host } })).status).toBe(200);
    const unnamed = `GET /own/x HTTP/1.0\r\nx-api-key: ${plain['x-api-key']}\r\n\r\n`;
    expect(await exchange(gateway.url, unnamed)).toMatch(/^HTTP\/1.1 200 /);
    expect(await exchange(gateway.url, 'GET /own/x HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1.1 401 /);
    const refused = await gateway.send('/own/x', { headers: { ...plain, host: 'a!b' } });
    expect([refused.status, refused.json().error.message]).toEqual([
      400,
      'The Host header holds a character other than letters, digits and . - _ : [ ].',
    ]);
  });
});

const pages = '401 403 413 429 500 502';

describe.each(asking)("$name: an operator's error pages", (variant) => {
  let gateway: Gateway;
  let upstream: TestUpstream;

  beforeAll(async () => {
    upstream = await startUpstream({}, ({ target }) => ({ status: Number(/\/(\d{3})$/.exec(target)?.[1] ?? 200) }));
    gateway = await startEmbedded({
      variant,
      keys,
      upstream,
      isServerGuarded: true,
      serverFirst: 'limit_req_status 429;',
      http: 'limit_req_zone $arg_limit zone=doors:1m rate=1r/m;',
      server: `
        error_page ${pages} /theirs;
        location = /theirs { include keygate/open.conf; default_type text/plain; return 200 theirs; }
        location = /page { include keygate/proxy_headers.conf; proxy_pass http://app; }
        location / { limit_req zone=doors; include keygate/proxy_headers.conf; proxy_pass http://app; }
        location /own/ { error_page ${pages} /page; include keygate/proxy_headers.conf; proxy_pass http://app; }
        location /named/ { error_page ${pages} = @page; include keygate/proxy_headers.conf; proxy_pass http://app; }
        location @page { include keygate/proxy_headers.conf; proxy_pass http://app; }
        location /sorry/ { error_page ${pages} =200 /theirs; include keygate/proxy_headers.conf; proxy_pass http://app; }
        location /deaf/ { set $keygate_jwt_leeway soon; include keygate/proxy_headers.conf; proxy_pass http://app; }
        location /open/ { include keygate/open.conf; alias /nowhere/; error_page 404 /page; }`,
    });
  });

  afterAll(async () => {
    await gateway?.stop();
    await upstream.close();
  });

  const ask = async (path: string, headers: { [name: string]: string } = {}) => {
    upstream.arrived.length = 0;
    const { status, body } = await gateway.send(path, { headers });
    return { status, body, arrived: upstream.arrived.length };
  };

  it('of the server leave refusals as they are, and hold for errors of his own', async () => {
    expect(await ask('/x')).toMatchObject({
      status: 401,
      body: expect.stringContaining('"code":"missing_credential"'),
      arrived: 0,
    });
    expect(await ask('/deaf/x', plain)).toMatchObject({
      status: 500,
      body: expect.stringContaining('"code":"location_not_configured"'),
      arrived: 0,
    });
    expect(await ask('/x?limit=a', plain)).toMatchObject({ status: 200 });
    expect(await ask('/x?limit=a', plain)).toEqual({ status: 429, body: 'theirs', arrived: 0 });
  });

  it.each(['own', 'named', 'open'])('of /%s/ show nothing of what is guarded', async (path) => {
    for (const headers of [{}, { 'x-api-key': 'wrong' }, { ...plain, authorization: 'Bearer x' }]) {
      const refused = await ask(`/${path}/x`, headers);
      expect([401, 403]).toContain(refused.status);
      expect([refused.arrived, refused.body.includes('upstream')]).toEqual([0, false]);
    }
  });

  it('make a refusal 200 only in the very location where he says so, with his page', async () => {
    expect(await ask('/sorry/x')).toEqual({ status: 200, body: 'theirs', arrived: 0 });
    expect(await ask('/sorry/x', plain)).toEqual({ status: 200, body: 'upstream', arrived: 1 });
  });

  it.each(pages.split(' ').map(Number))("leave an application's own %i alone", async (status) => {
    for (const path of ['', '/own', '/named', '/sorry'])
      expect(await ask(`${path}/${status}`, plain)).toEqual({ status, body: 'upstream', arrived: 1 });
  });
});

describe.each(asking)('$name: a scope that is part of a question', (variant) => {
  it('holds in nested locations, in patterns, and wherever a request of that part is sent', async () => {
    const question = `location = /_keygate_ask_admin {
      set $keygate_jwt_audience ""; set $keygate_jwt_issuer ""; set $keygate_jwt_leeway 30;
      set $keygate_require_scope admin; set $keygate_hide_token_route off; include keygate/ask.conf; }`;
    const pass = 'include keygate/proxy_headers.conf; proxy_pass http://app;';
    const gateway = await startEmbedded({
      variant,
      keys,
      isServerGuarded: true,
      server: `${question}
        location / { ${pass} }
        location /admin/ { auth_request /_keygate_ask_admin; ${pass}
          location /admin/nested/ { ${pass} }
          location ~ \\.js$ { ${pass} } 
          location /admin/own/ { set $keygate_require_scope models; ${pass} } }
        location /jump/ { rewrite ^/jump/(.*)$ /admin/$1 last; }
        location /back/ { set $keygate_require_scope admin; rewrite ^/back/(.*)$ /$1 last; }
        location /missing/ { error_page 404 = /admin/x; alias /nowhere/; }`,
    });
    const status = async (path: string, headers: { [name: string]: string }) =>
      (await gateway.send(path, { headers })).status;
    for (const path of [
      '/admin/x',
      '/admin/nested/x',
      '/admin/x.js',
      '/admin/own/x',
      '/jump/x',
      '/jump/nested/x',
      '/jump/x.js',
      '/missing/x',
    ]) {
      gateway.upstream.arrived.length = 0;
      expect([path, await status(path, {}), await status(path, plain)]).toEqual([path, 401, 403]);
      expect(gateway.upstream.arrived).toEqual([]);
      expect([path, await status(path, admin)]).toEqual([path, 200]);
    }
    expect([await status('/x', plain), await status('/x.js', plain)]).toEqual([200, 200]);
    await gateway.stop();
  });
});
