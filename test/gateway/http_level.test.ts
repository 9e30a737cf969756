// What an operator has at http level, before his servers: it is meant for his own upstreams and pages, and neither
// admits anybody without a credential nor stands in the way of a good one.

import { mkdirSync, writeFileSync } from 'node:fs';
import { hashSync } from '@node-rs/bcrypt';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Gateway } from './harness/gateway.js';
import { startEmbedded, type EmbeddedOptions } from './harness/embedded.js';
import { variants } from './harness/variants.js';

const plain = { 'x-api-key': 'key-at-http-level' };
const hashed = { 'x-api-key': 'hashed-key-at-http-level' };
const wrong = { 'x-api-key': 'wrong-key' };
const keys = `key-at-http-level scope=models\ncarol:${hashSync('hashed-key-at-http-level', 4)} scope=models,chat\n`;

// guard_access.conf guards single locations alone.
const guards = variants.flatMap((variant) =>
  (variant.entry === 'access' ? [false] : [false, true]).map((isServerGuarded) => ({
    ...variant,
    guarded: isServerGuarded ? 'the whole server' : 'a location',
    isServerGuarded,
    variant,
  })),
);

// Lines that go together; none of them may change an answer of ours, or a file's.
const harmless: [string, string][] = [
  [
    'caches, other questions, other clients and large buffers',
    `proxy_cache_path DIR/cache keys_zone=pages:1m; proxy_cache pages; proxy_cache_valid any 1h;
     proxy_cache_methods GET HEAD POST; proxy_cache_key x; proxy_ignore_headers Cache-Control Expires Set-Cookie Vary;
     proxy_method POST; proxy_set_header X-Api-Key key-at-http-level; proxy_http_version 1.0; proxy_bind 127.0.0.1;
     proxy_pass_request_headers off; proxy_pass_request_body off; proxy_request_buffering off;
     proxy_buffer_size 256k; proxy_buffers 8 256k; proxy_busy_buffers_size 512k; postpone_output 100000;
     set_real_ip_from 127.0.0.1; set_real_ip_from unix:; real_ip_header X-Keygate-Client; real_ip_recursive on;
     underscores_in_headers on; ignore_invalid_headers off; http2 on;`,
  ],
  [
    'stores, other answers, short connections and small requests',
    `proxy_store DIR/stored; proxy_intercept_errors on; proxy_hide_header Content-Type; proxy_buffering off;
     proxy_hide_header X-Keygate-Admitted; proxy_hide_header X-Keygate-Status; proxy_limit_rate 1;
     proxy_force_ranges on; proxy_cookie_path / /x; proxy_redirect http:// https://;
     add_header X-Own 1 always; add_header X-Long ${'x'.repeat(3000)} always; expires 30d;
     add_header X-Keygate-Admitted api_key always; client_max_body_size 1; client_body_buffer_size 1;
     keepalive_timeout 0; keepalive_requests 1; reset_timedout_connection on; lingering_close always;
     send_timeout 1s; client_header_timeout 1s; client_body_timeout 1s; large_client_header_buffers 1 1k;
     satisfy any; allow 127.0.0.1; deny all;`,
  ],
  [
    'no time, small buffers, changed bodies and subrequests',
    `proxy_read_timeout 1ms; proxy_send_timeout 1ms; proxy_connect_timeout 1ms; proxy_next_upstream off;
     proxy_buffer_size 1k; proxy_buffers 2 1k; proxy_busy_buffers_size 1k; proxy_temp_file_write_size 1k;
     proxy_max_temp_file_size 0; subrequest_output_buffer_size 1; output_buffers 1 1;
     proxy_ssl_verify on; proxy_ssl_trusted_certificate CERTIFICATE; proxy_ssl_server_name on; proxy_ssl_name x;
     gzip on; gzip_types *; gzip_proxied any; gzip_min_length 1; ssi on; ssi_types *; addition_types *; slice 1k;
     charset utf-8; charset_types *; override_charset on; default_type text/html;
     mirror /m; log_subrequest on; recursive_error_pages on; auth_request_set $keygate_admitted x; auth_delay 1s;`,
  ],
];

// Every request of the server counts or is asked for a password: it is refused, and nobody comes in without a key.
const refusing: [string, string, number][] = [
  ['a limit of requests', 'limit_req_zone $binary_remote_addr zone=one:1m rate=1r/m; limit_req zone=one;', 503],
  ['a password', 'auth_basic site; auth_basic_user_file DIR/passwords;', 401],
  ['a password or an address', 'auth_basic site; auth_basic_user_file DIR/passwords; satisfy any; deny all;', 403],
  ['an address', 'deny all;', 403],
];

interface Places {
  httpFirst?: string;
  http?: string;
  serverFirst?: string;
  server?: string;
}

const pages =
  'error_page 401 403 404 500 502 503 504 =200 /sorry; recursive_error_pages on; proxy_intercept_errors on;';

describe.each(guards)('$name: at http level, with $guarded guarded', ({ variant, isServerGuarded }) => {
  const guard = isServerGuarded ? '' : 'GUARD;';
  const open = isServerGuarded ? 'include keygate/open.conf;' : '';

  // Its sidecar serves all the others, which differ from it in nginx's configuration alone.
  let first: Gateway | undefined;
  beforeAll(async () => {
    const gateway = await start({});
    // A busy machine may leave the sidecar's thread for bcrypt no time to start while a request waits.
    await vi.waitFor(async () => expect(await statuses(gateway, [hashed])).toEqual([200]), 60000);
    first = gateway;
  });
  afterAll(() => first?.stop());

  const start = (places: Places, edit: EmbeddedOptions['edit'] = {}) =>
    startEmbedded({
      variant,
      ...(first === undefined ? { keys } : { beside: first }),
      isServerGuarded,
      edit,
      httpFirst: places.httpFirst ?? '',
      http: ({ dir, facts }) => (places.http ?? '').replaceAll('DIR', dir).replace('CERTIFICATE', facts.certificate),
      serverFirst: places.serverFirst ?? '',
      server: ({ dir }) => {
        mkdirSync(`${dir}/www`);
        for (const name of ['file', 'sorry']) writeFileSync(`${dir}/www/${name}`, name);
        writeFileSync(`${dir}/passwords`, 'user:{PLAIN}password\n');
        return `${places.server ?? ''}
          location /files/ { ${guard} alias ${dir}/www/; }
          location /app/ { ${guard} include keygate/proxy_headers.conf; proxy_pass http://app; }
          location /uploads/ { ${guard} client_max_body_size 1m; include keygate/proxy_headers.conf; proxy_pass http://app; }
          location = /sorry { ${open} alias ${dir}/www/sorry; }`;
      },
    });

  // At once: auth_delay has each refusal wait.
  const statuses = async (gateway: Gateway, senders: { [name: string]: string }[]) => {
    const answers = await Promise.all(senders.map((headers) => gateway.send('/files/file', { headers })));
    return answers.map((answer) => answer.status);
  };

  // Our own upstream is not reached without a key, whatever comes of its own answers.
  const expectShut = async (gateway: Gateway) => {
    gateway.upstream.arrived.length = 0;
    const paths = ['/files/file', '/app/x', '/app/../app/x'];
    const asked = [{}, wrong].flatMap((headers) => paths.map((path) => gateway.send(path, { headers })));
    for (const { body } of await Promise.all(asked)) expect(body).not.toMatch(/file|upstream$/);
    expect(gateway.upstream.arrived).toEqual([]);
  };

  it.each(harmless)('a good key passes and no other, under %s', async (_, http) => {
    const gateway = await start({ http });
    try {
      expect(await statuses(gateway, [{}, wrong, plain, hashed])).toEqual([401, 401, 200, 200]);
      await expectShut(gateway);
      const minted = await gateway.send('/token', { method: 'POST', headers: plain });
      expect(minted.status, minted.body).toBe(200);
      expect((await gateway.send('/.well-known/jwks.json')).json()).toHaveProperty('keys');
    } finally {
      await gateway.stop();
    }
  });

  it('a body may be as large as the location says, whatever the server says', async () => {
    const gateway = await start({ http: 'client_max_body_size 1k;' });
    const body = 'x'.repeat(20000);
    try {
      for (const [headers, status] of [
        [plain, 200],
        [hashed, 200],
        [wrong, 401],
      ] as const)
        expect((await gateway.send('/uploads/x', { method: 'POST', headers, body })).status).toBe(status);
      expect(gateway.upstream.arrived.map((one) => one.body.length)).toEqual([20000, 20000]);
      expect((await gateway.send('/app/x', { method: 'POST', headers: plain, body })).status).toBe(413);
    } finally {
      await gateway.stop();
    }
  });

  it('limits count requests of clients, and not our questions about them', async () => {
    const gateway = await start({
      http: `limit_req_zone $binary_remote_addr zone=one:1m rate=1r/m; limit_req zone=one;
        limit_conn_zone $binary_remote_addr zone=two:1m; limit_conn two 1;`,
    });
    const ask = async (headers: { [name: string]: string }, from: string) =>
      (await gateway.send('/files/file', { headers, from })).status;
    try {
      const all = [...Array(12).keys()].map((i) => ask(i % 2 === 0 ? plain : hashed, `127.0.3.${i + 1}`));
      expect(new Set(await Promise.all(all))).toEqual(new Set([200]));
      expect([await ask({}, '127.0.4.1'), await ask(wrong, '127.0.4.2')]).toEqual([401, 401]);
      expect([await ask(plain, '127.0.3.1'), await ask(wrong, '127.0.4.2')]).toEqual([503, 503]);
    } finally {
      await gateway.stop();
    }
  });

  it.each(refusing)('everybody is refused under %s', async (_, http, status) => {
    const gateway = await start({ http });
    try {
      for (const found of await statuses(gateway, [{}, wrong, plain, hashed])) expect([401, status]).toContain(found);
      await expectShut(gateway);
    } finally {
      await gateway.stop();
    }
  });

  it.each([
    ['sub_filter', 'sub_filter admitted refused; sub_filter_types *; sub_filter_once off;'],
    ['proxy_set_body', 'proxy_set_body x;'],
  ])('what needs no sidecar is decided, and the rest refused, under %s', async (_, http) => {
    const gateway = await start({ http });
    try {
      expect(await statuses(gateway, [{}, plain, wrong, hashed])).toEqual([401, 200, 503, 503]);
      await expectShut(gateway);
    } finally {
      await gateway.stop();
    }
  });

  it('refusals stay what they are under an error_page of http or of the server', async () => {
    for (const places of [{ http: pages }, { server: pages }, { httpFirst: pages }]) {
      const gateway = await start(places);
      try {
        for (const [headers, status, code] of [
          [{}, 401, 'missing_credential'],
          [wrong, 401, 'invalid_api_key'],
          [{ ...plain, 'x-auth-user': 'root' }, 400, 'invalid_request'],
        ] as [{ [name: string]: string }, number, string][]) {
          const answer = await gateway.send('/files/file', { headers });
          expect([answer.status, answer.json().error.code]).toEqual([status, code]);
        }
        expect(await statuses(gateway, [plain, hashed])).toEqual([200, 200]);
        await expectShut(gateway);
      } finally {
        await gateway.stop();
      }
    }
  });

  it('nobody comes in by an error_page before the include', async () => {
    const gateway = await start({ serverFirst: pages });
    try {
      await expectShut(gateway);
      expect(await statuses(gateway, [plain, hashed])).toEqual([200, 200]);
    } finally {
      await gateway.stop();
    }
  });

  it('nobody comes in by an error_page while the decision server is away', async () => {
    for (const places of [{ http: pages }, { server: pages }, { serverFirst: pages }]) {
      const gateway = await start(places, {
        'keygate/decision_address.conf': (conf) => conf.replace(/server [^;]+;/g, 'server unix:/nobody.sock;'),
      });
      try {
        await expectShut(gateway);
        const answers = [];
        for (const headers of [{}, wrong, plain, hashed]) answers.push(await gateway.send('/files/file', { headers }));
        const isDecidedInside = variant.entry === 'access'; // but for what needs the sidecar
        expect(answers.map((answer) => answer.body.includes('file'))).toEqual([false, false, isDecidedInside, false]);
      } finally {
        await gateway.stop();
      }
    }
  });
});
