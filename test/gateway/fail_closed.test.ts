// Rules 1 to 4 of docs/nginx-traps.md: whatever happens to a decision, nobody is admitted without one.

import { connect as connectHttp2 } from 'node:http2';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { send } from './harness/client.js';
import { serverGuard } from './harness/embedded.js';
import { startGateway, type Gateway } from './harness/gateway.js';
import { variants, type Variant } from './harness/variants.js';

// Faults that a request asks for, put into the real bundle where the decision starts.
const faults = `
  var r = request.r;
  var asked = r.headersIn['x-fault'];
  if (asked === 'throw at once') throw new Error('fault');
  if (asked === 'nothing at once') return;
  if (asked === 'true at once') return true;
  if (asked === 'an empty object at once') return {};
  if (asked !== undefined) return faulty(r, asked);
`;
const laterFaults = `
async function faulty(r, fault) {
  if (fault === 'throw') throw new Error('fault');
  if (fault === 'throw-undefined') throw undefined;
  if (fault === 'never') { var never = new Promise(function () {}); await never; }
  if (fault === 'nothing') return;
  if (fault === 'true') return true;
  if (fault === 'late-throw') { await new Promise(function (resolve) { setTimeout(resolve, 20); }); throw new Error('late'); }
  if (fault === 'wait') await new Promise(function (resolve) { setTimeout(resolve, 400); });
  return {admitted: false, reason: 'unknown_key'};
}
`;

const withFaults = (bundle: string) => {
  const edited = bundle.replace(/function _?decide\(request, gate\) \{/, (start) => `${laterFaults}${start}${faults}`);
  if (edited === bundle) throw new Error('the bundle has no function decide');
  return edited;
};

// What an operator may have at server level: each line would turn a refusal into a page.
const withErrorPages = (conf: string, variant: Variant) =>
  conf
    .replace(
      serverGuard(variant),
      `${serverGuard(variant)}
       error_page 401 403 404 502 503 =200 /sorry.html;
       location = /sorry.html { return 200 'sorry'; }
       location = /unlisted {
         ${variant.entry === 'access' ? 'include keygate/guard_access.conf;' : ''}
         include keygate/proxy_headers.conf;
         proxy_pass http://keygate_upstream;
       }`,
    )
    .replace('error_page 500 = @keygate_failed;', 'error_page 500 =200 /sorry.html;');

describe.each(variants)('$name: fails closed', (variant) => {
  let gateway: Gateway;
  const key = { 'x-api-key': 'good-key-of-the-test' };

  beforeAll(async () => {
    gateway = await startGateway({
      variant,
      keys: 'good-key-of-the-test\n',
      edit: {
        'keygate/keygate.js': withFaults,
        'keygate/to_decision.conf': (conf) => `${conf}\nproxy_set_header X-Fault $http_x_fault;\n`,
        'nginx.conf': (conf) => withErrorPages(conf, variant),
      },
    });
  });

  afterAll(() => gateway?.stop());

  it('admits a good key when nothing fails', async () => {
    expect((await gateway.send('/x', { headers: key })).body).toBe('upstream');
  });

  it.each([
    'throw at once',
    'nothing at once',
    'true at once',
    'an empty object at once',
    'throw',
    'throw-undefined',
    'never',
    'nothing',
    'true',
    'late-throw',
  ])('answers 500 and asks no upstream when the decision does: %s', async (fault) => {
    for (const path of ['/x', '/unlisted']) {
      gateway.upstream.arrived.length = 0;
      const answer = await gateway.send(path, { headers: { 'x-api-key': 'unknown', 'x-fault': fault } });
      expect(gateway.upstream.arrived).toHaveLength(0);
      expect(answer.status, answer.body).toBe(500);
      expect(answer.json().error.code).toBe('internal_error');
    }
  });

  it('sends refusals as they are under a server-level error_page', async () => {
    for (const path of ['/x', '/unlisted']) {
      const answer = await gateway.send(path, { headers: { 'x-api-key': 'unknown' } });
      expect(answer.status).toBe(401);
      expect(answer.json().error.code).toBe('invalid_api_key');
    }
  });

  it('admits nobody when clients go away while a decision waits (HTTP/1.1)', async () => {
    await abortOverHttp1(gateway.url);
    await expectStillClosed(gateway);
  });

  it('admits nobody when clients go away while a decision waits (HTTP/2)', async () => {
    await abortOverHttp2(gateway.url);
    await expectStillClosed(gateway);
  });

  async function expectStillClosed(one: Gateway): Promise<void> {
    one.upstream.arrived.length = 0;
    const denied = await Promise.all(
      Array.from({ length: 20 }, () => send(one.url, '/x', { headers: { 'x-api-key': 'unknown' } })),
    );
    expect(denied.map((answer) => answer.status)).toEqual(Array.from({ length: 20 }, () => 401));
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(one.upstream.arrived).toHaveLength(0);
    expect(one.errorLog()).not.toContain('exited on signal');
  }
});

async function abortOverHttp1(url: string): Promise<void> {
  const { port } = new URL(url);
  for (let i = 0; i < 10; i++) {
    const socket = connectTls({ host: '127.0.0.1', port: Number(port), rejectUnauthorized: false });
    socket.on('error', () => undefined);
    await new Promise<void>((resolve) => socket.once('secureConnect', () => resolve()));
    socket.write('GET /x HTTP/1.1\r\nHost: localhost\r\nx-api-key: unknown\r\nx-fault: wait\r\n\r\n');
    await new Promise((resolve) => setTimeout(resolve, 15));
    socket.destroy();
  }
}

async function abortOverHttp2(url: string): Promise<void> {
  const session = connectHttp2(url, { rejectUnauthorized: false });
  session.on('error', () => undefined);
  for (let i = 0; i < 10; i++) {
    const stream = session.request({ ':path': '/x', 'x-api-key': 'unknown', 'x-fault': 'wait' });
    stream.on('error', () => undefined);
    await new Promise((resolve) => setTimeout(resolve, 15));
    stream.close(8);
  }
  session.destroy();
}
