// A page in a browser that calls the gateway from another origin: what it may read of a refusal, and how it gets a
// token.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEmbedded } from './harness/embedded.js';
import { startGateway, type Gateway } from './harness/gateway.js';
import { startUpstream, type TestUpstream } from './harness/upstream.js';
import type { Answered } from './harness/client.js';
import { variants } from './harness/variants.js';

const key = 'key-of-a-page';
const page = 'https://app.example';
const long = `https://${'long-name.'.repeat(20)}example:8443`;
const preflight = { 'access-control-request-method': 'POST', 'access-control-request-headers': 'x-api-key' };
const ofCors = ['access-control-allow-origin', 'access-control-expose-headers', 'vary'];
const corsOf = ({ headers }: Answered) => Object.fromEntries(ofCors.map((name) => [name, headers[name]]));
const nothing = { 'access-control-allow-origin': undefined, 'access-control-expose-headers': undefined };
const readable = (origin: string) => ({
  'access-control-allow-origin': origin,
  'access-control-expose-headers': expect.stringMatching(/^WWW-Authenticate, Retry-After, .*X-Request-Id/) as string,
  vary: 'Origin',
});

describe.each(variants)('$name: CORS_ORIGINS', (variant) => {
  let gateway: Gateway;
  let upstream: TestUpstream;

  beforeAll(async () => {
    upstream = await startUpstream({ 'access-control-allow-origin': 'https://of-the-upstream.example' });
    const env = { CORS_PREFLIGHT: 'pass', CORS_ORIGINS: `${page}, ${long}`, REQUIRE_SCOPE: 'models' };
    gateway = await startGateway({ variant, upstream, keys: `${key} scope=models\nno-scope\n`, env });
  });

  afterAll(async () => {
    await gateway?.stop();
    await upstream?.close();
  });

  const refusals: [status: number, path: string, sent: { [name: string]: string }, method?: string][] = [
    [401, '/v1/models', {}],
    [401, '/v1/models', { 'x-api-key': 'wrong' }],
    [403, '/v1/models', { 'x-api-key': 'no-scope' }],
    [400, '/v1/models', { 'x-api-key': key, authorization: 'Bearer other' }],
    [404, '/x/token', { 'x-api-key': key }],
    [400, '/a\\b', { 'x-api-key': key }],
    [401, '/token', { 'x-api-key': 'wrong' }, 'POST'],
    [405, '/token', {}, 'GET'],
    [405, '/v1/models', {}, 'TRACE'],
  ];

  it.each(refusals)('lets a page of an origin read a %i of %s', async (status, path, sent, method = 'GET') => {
    for (const origin of [page, long]) {
      const answer = await gateway.send(path, { method, headers: { ...sent, origin } });
      expect(answer.status, answer.body).toBe(status);
      expect(corsOf(answer)).toEqual(readable(origin));
      expect(answer.headers).not.toHaveProperty('access-control-allow-credentials');
    }
  });

  it.each(refusals)('lets no other page read a %i of %s', async (status, path, sent, method = 'GET') => {
    const others = ['https://evil.example', 'null', 'none', `${page}.evil.example`, `http://app.example`, ''];
    for (const origin of others) {
      const answer = await gateway.send(path, { method, headers: { ...sent, ...(origin !== '' && { origin }) } });
      expect(answer.status).toBe(status);
      expect(corsOf(answer), origin).toEqual({ ...nothing, vary: 'Origin' });
    }
  });

  it('lets a page get a token: by a preflight, and by the POST', async () => {
    const asked = await gateway.send('/token', { method: 'OPTIONS', headers: { ...preflight, origin: page } });
    expect([asked.status, asked.body]).toEqual([204, '']);
    expect(corsOf(asked)).toEqual(readable(page));
    expect(asked.headers).toMatchObject({
      'access-control-allow-methods': 'POST',
      'access-control-allow-headers': expect.stringContaining('x-api-key') as string,
    });
    const answer = await gateway.send('/token', { method: 'POST', headers: { 'x-api-key': key, origin: page } });
    expect(answer.status, answer.body).toBe(200);
    expect(corsOf(answer)).toEqual(readable(page));
  });

  it.each([
    ['of another origin', { ...preflight, origin: 'https://evil.example' }],
    ['without an Origin', preflight],
    ['that asks for no method', { origin: page }],
  ])('answers no preflight %s for a token', async (_, headers) => {
    const answer = await gateway.send('/token', { method: 'OPTIONS', headers });
    expect(answer.status).toBe(405);
    expect(answer.headers).not.toHaveProperty('access-control-allow-methods');
  });

  it('leaves the answers of the upstream to the upstream', async () => {
    const answer = await gateway.send('/v1/models', { headers: { 'x-api-key': key, origin: page } });
    expect(answer.status).toBe(200);
    expect(corsOf(answer)).toEqual({ ...nothing, 'access-control-allow-origin': 'https://of-the-upstream.example' });
  });
});

describe.each(variants)('$name: pages', (variant) => {
  it('may read nothing of ours without CORS_ORIGINS', async () => {
    const gateway = await startGateway({ variant, keys: `${key}\n`, env: { CORS_PREFLIGHT: 'pass' } });
    const headers = { ...preflight, origin: page };
    const answers = [
      await gateway.send('/v1/models', { headers }),
      await gateway.send('/token', { method: 'OPTIONS', headers }),
      await gateway.send('/token', { method: 'POST', headers: { ...headers, 'x-api-key': key } }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([401, 405, 200]);
    for (const answer of answers) expect(corsOf(answer)).toEqual(nothing);
    await gateway.stop();
  });

  it('may read a failure of nginx, too', async () => {
    const env = { CORS_PREFLIGHT: 'pass', CORS_ORIGINS: page, UPSTREAM_URL: 'http://127.0.0.1:9' };
    const gateway = await startGateway({ variant, keys: `${key}\n`, env: { ...env, RATE_LIMIT_AUTH: '1r/m' } });
    const failed = await gateway.send('/x', { headers: { 'x-api-key': key, origin: page } });
    const large = { method: 'POST', headers: { 'x-api-key': key, origin: page }, body: 'x'.repeat(20000) };
    const tooLarge = await gateway.send('/token', large);
    expect([failed.status, tooLarge.status]).toEqual([502, 413]);
    for (const answer of [failed, tooLarge]) expect(corsOf(answer)).toEqual(readable(page));
    await gateway.stop();
  });

  it("are those of an operator's own map", async () => {
    const gateway = await startEmbedded({
      variant,
      keys: `${key}\n`,
      env: { CORS_PREFLIGHT: 'pass' },
      http: `map $http_origin $keygate_page_origin { ${page} $http_origin; default none; }`,
      server: 'location ~ ^/api/(.*)$ { GUARD include keygate/proxy_headers.conf; proxy_pass http://app/$1; }',
    });
    const refused = await gateway.send('/api/x', { headers: { origin: page } });
    expect([refused.status, corsOf(refused)]).toEqual([401, readable(page)]);
    const foreign = await gateway.send('/api/x', { headers: { origin: 'https://evil.example' } });
    expect([foreign.status, corsOf(foreign)]).toEqual([401, { ...nothing, vary: 'Origin' }]);
    const headers = { ...preflight, origin: page };
    expect((await gateway.send('/token', { method: 'OPTIONS', headers })).status).toBe(204);
    expect((await gateway.send('/api/captured', { headers: { 'x-api-key': key, origin: page } })).status).toBe(200);
    expect(gateway.upstream.arrived.at(-1)?.target).toBe('/captured');
    await gateway.stop();
  });
});
