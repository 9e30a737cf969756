// A client that is sent elsewhere by the application (FastAPI, for a slash too many): the address is one that the
// client can reach, whatever the application takes for its own. And cookies arrive as they were set.

import { afterEach, describe, expect, it } from 'vitest';
import { startGateway, type Gateway } from './harness/gateway.js';
import { startUpstream, type Conduct, type TestUpstream } from './harness/upstream.js';
import { variants } from './harness/variants.js';

const headers = { 'x-api-key': 'good-key', host: 'api.example:8443' };

describe.each(variants)('$name: redirects of the application', (variant) => {
  let gateway: Gateway | undefined;
  let upstream: TestUpstream;

  const open = async (
    conduct: (host: string) => Conduct,
    path = '',
    options: Partial<Parameters<typeof startGateway>[0]> = {},
  ) => {
    upstream = await startUpstream({}, (arrived) => conduct(arrived.headers.host ?? ''));
    const env = { UPSTREAM_URL: upstream.url + path };
    gateway = await startGateway({ variant, keys: 'good-key\n', env, ...options });
    return gateway;
  };
  afterEach(async () => {
    await gateway?.stop();
    await upstream.close();
  });

  it.each([
    ['http', 'Location', '/v1/models/?a=1'],
    ['https', 'Location', '/v1/models/?a=1'],
  ])('by %s to its own address in %s lead to the gateway', async (scheme, name, expected) => {
    const { send } = await open((host) => ({ status: 307, headers: { [name]: `${scheme}://${host}/v1/models/?a=1` } }));
    expect(await send('/v1/models?a=1', { headers })).toMatchObject({ status: 307, headers: { location: expected } });
  });

  it('are rewritten in Refresh, and below the path of UPSTREAM_URL', async () => {
    const { send } = await open(
      (host) => ({ headers: { refresh: `5; url=http://${host}/base/next`, location: `http://${host}/base/` } }),
      '/base/',
    );
    const answer = await send('/x', { headers });
    expect(answer.headers).toMatchObject({ refresh: '5; url=/next', location: '/' });
  });

  it.each(['https://elsewhere.example/x', '/relative/', 'relative', 'http://127.0.0.1.evil.example/'])(
    'to %s stay as they are',
    async (location) => {
      const { send } = await open(() => ({ status: 302, headers: { location } }));
      expect((await send('/x', { headers })).headers).toMatchObject({ location });
    },
  );

  it('leave cookies as they were set', async () => {
    const cookie = 'a=b; Domain=127.0.0.1; Path=/base/; HttpOnly';
    const { send } = await open(() => ({ headers: { 'set-cookie': cookie } }), '/base/');
    expect((await send('/x', { headers })).headers['set-cookie']).toEqual([cookie]);
  });

  it('embedded are those of plain nginx', async () => {
    const conf = ({
      port,
      dir,
      facts,
    }: {
      port: number;
      dir: string;
      facts: { modulePath: string; upstreamUrl: string };
    }) =>
      `load_module ${facts.modulePath}; ${process.getuid?.() === 0 ? 'user root;' : ''} daemon off; worker_processes 1;
      pid ${dir}/nginx.pid; error_log ${dir}/error.log notice; events { worker_connections 512; }
      http { ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${dir}/temp/${kind};`).join(' ')}
        access_log ${dir}/access.log; variables_hash_max_size 4096; include keygate/http.conf;
        server { listen 127.0.0.1:${port}; include keygate/guard.conf; include keygate/routes.conf;
          location / { include keygate/proxy_headers.conf; proxy_pass ${facts.upstreamUrl}; } } }`;
    const { send } = await open((host) => ({ status: 307, headers: { location: `http://${host}/v1/models/` } }), '', {
      conf,
    });
    const answer = await send('/v1/models', { headers: { 'x-api-key': 'good-key' } });
    expect(String(answer.headers['location'])).toBe(`${gateway?.url}/v1/models/`);
  });
});
