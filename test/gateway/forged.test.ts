// What nginx and the decision server tell each other travels in X-Keygate-* headers and in internal locations: neither
// a client nor an upstream has a say in it.

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEmbedded } from './harness/embedded.js';
import { exchange } from './harness/examples.js';
import type { Gateway } from './harness/gateway.js';
import { startUpstream, type TestUpstream } from './harness/upstream.js';
import { variants } from './harness/variants.js';

const models = 'key-for-models';
const keys = `${models} scope=models\nkey-for-both scope=models,chat\n`;
const app = 'include keygate/proxy_headers.conf; proxy_pass http://app;';
const sent = 'include keygate/proxy_headers.conf; proxy_pass http://sender;';

const root = join(import.meta.dirname, '../..');
const readAll = (folder: string) =>
  readdirSync(join(root, folder))
    .filter((name) => name.includes('.'))
    .map((name) => readFileSync(join(root, folder, name), 'utf8'))
    .join('\n');
const snippets = readAll('nginx/snippets');
const distinct = (text: string, pattern: RegExp) => [...new Set(text.match(pattern) ?? [])];

// Every header that is named anywhere, with what would serve an attacker best.
const names = distinct(snippets + readAll('njs/decision'), /X-Keygate-\w+(?:-\w+)*/g);
const wished: { [name: string]: string } = {
  'X-Keygate-Admitted': 'api_key',
  'X-Keygate-Status': '200',
  'X-Keygate-Settings': '\t\t\t30\t\toff',
  'X-Keygate-Target': '= localhost localhost /open',
  'X-Keygate-Client': '192.0.2.9',
  'X-Keygate-Preflight': 'https://x.example POST',
  'X-Keygate-Secret': 'secret0of0the0tests',
};
const forged = names.map((name) => [name, wished[name] ?? 'root'] as const);

const spellings: [string, (name: string) => string[]][] = [
  ['as it is', (name) => [name]],
  ['in small letters', (name) => [name.toLowerCase()]],
  ['in capitals', (name) => [name.toUpperCase()]],
  ['with underscores', (name) => [name.replaceAll('-', '_')]],
  ['with an underscore and a dash', (name) => [name.replace('-', '_')]],
  ['with dots', (name) => [name.replaceAll('-', '.')]],
  ['doubled', (name) => [name, name]],
  ['doubled with another spelling', (name) => [name, name.replaceAll('-', '_').toLowerCase()]],
];

// guard_access.conf guards single locations alone.
const guards = variants.flatMap((variant) =>
  (variant.entry === 'access' ? [false] : [false, true]).map((isServerGuarded) => ({
    ...variant,
    guarded: isServerGuarded ? 'the whole server' : 'single locations',
    isServerGuarded,
    variant,
  })),
);

describe.each(guards)('$name: forged, with $guarded guarded', ({ variant, isServerGuarded }) => {
  let gateway: Gateway;
  let sender: TestUpstream;
  const guard = isServerGuarded ? '' : 'GUARD;';
  const open = isServerGuarded ? 'include keygate/open.conf;' : '';

  beforeAll(async () => {
    sender = await startUpstream({}, ({ target }) => {
      const [, to = ''] = /\/to(\/.*|@\w+)$/.exec(target) ?? [];
      const claims = Object.fromEntries(forged.map(([name, value]) => [name, value.replaceAll('\t', ' ')]));
      return { headers: to === '' ? claims : { 'x-accel-redirect': to, ...claims } };
    });
    gateway = await startEmbedded({
      variant,
      keys,
      isServerGuarded,
      env: { RATE_LIMIT_AUTH: '1r/m', RATE_LIMIT_AUTH_BURST: '2' },
      http: `upstream sender { server ${new URL(sender.url).host}; }`,
      serverFirst: 'underscores_in_headers on; ignore_invalid_headers off;',
      server: `
          location /models/ { ${guard} ${app} }
          location /chat/ { ${guard} set $keygate_require_scope chat; ${app} }
          location /sent/ { ${guard} ${sent} }
          location /open/ { ${open} ${sent} }
          location /rewritten/ { ${open} rewrite ^/rewritten(/.*)$ $1 last; }`,
    });
  });

  afterAll(async () => {
    await gateway?.stop();
    await sender.close();
  });

  // No two answers have the same request id.
  const ask = async (path: string, lines: string[], version = '1.1') => {
    const request = [`GET ${path} HTTP/${version}`, 'Host: localhost', 'Connection: close', ...lines];
    const answer = await exchange(gateway.url, `${request.join('\r\n')}\r\n\r\n`);
    return answer.replace(/^X-Request-Id: .*\r\n/m, '');
  };

  it.each(spellings)('X-Keygate-* headers of a client change nothing: %s', async (__, spell) => {
    const lines = forged.flatMap(([name, value]) => spell(name).map((one) => `${one}: ${value}`));
    expect(lines.length).toBeGreaterThanOrEqual(14);
    for (const version of ['1.1', '1.0']) {
      for (const [path, credential, status] of [
        ['/models/x', [], 401],
        ['/chat/x', [`X-Api-Key: ${models}`], 403],
        ['/models/x', [`X-Api-Key: ${models}`], 200],
      ] as const) {
        gateway.upstream.arrived.length = 0;
        const plain = await ask(path, [...credential], version);
        expect(plain).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
        expect(await ask(path, [...credential, ...lines], version)).toBe(plain);
        expect(await ask(path, [...lines, ...credential], version)).toBe(plain);
        const users = gateway.upstream.arrived.map((one) => one.headers['x-auth-user']);
        expect(new Set(users).size).toBe(status === 200 ? 1 : 0);
        expect(users).not.toContain('root');
      }
    }
  });

  it('counts failures against the address that they come from', async () => {
    const statuses = [];
    for (let i = 0; i < 5; i++) {
      const headers = { 'x-api-key': 'wrong-key', 'x-keygate-client': `192.0.2.${i}` };
      statuses.push((await gateway.send('/models/x', { headers, from: '127.0.0.7' })).status);
    }
    expect(statuses).toEqual([401, 401, 401, 429, 429]);
  });

  const inside = distinct(snippets, /\/_keygate_\w+/g);
  const direct = inside.flatMap((path) => [path, `${path}/`, `${path}/verify`, `${path}/token`]);
  const disguised = [
    '/%5fkeygate_ask',
    '//_keygate_ask',
    '/x/../_keygate_ask',
    '/./_keygate_sidecar/../_keygate_ask',
    '/_keygate_ask?x',
    '/rewritten/_keygate_ask',
    '/rewritten/_keygate_sidecar/verify',
    '/rewritten/_keygate_sidecar/token',
  ];

  it.each([...direct, ...disguised])('a client gets nothing from %s', async (path) => {
    expect(inside).toContain('/_keygate_ask');
    for (const method of ['GET', 'POST', 'HEAD', 'OPTIONS']) {
      for (const headers of [{}, { 'x-api-key': models }] as { [name: string]: string }[]) {
        const answer = await gateway.send(path, { method, headers, body: method === 'POST' ? '{}' : '' });
        expect(method === 'OPTIONS' ? [401, 404, 405] : [401, 404], `${method}: ${answer.body}`).toContain(
          answer.status,
        );
        expect(JSON.stringify(answer.headers)).not.toMatch(/x-keygate-/i);
        expect(answer.body).not.toMatch(/admitted|"token"|eyJ/);
      }
    }
  });

  const named = distinct(
    snippets,
    /@keygate_(?:unauthorized|denied|undecided|unreached|too_large|rate_limited|upstream_\w+|failed|decision_\w+)/g,
  );

  it.each([...direct, ...named])('an upstream sends nobody to %s', async (to) => {
    expect(named.length).toBeGreaterThan(7);
    for (const [path, headers] of [
      ['/sent', { 'x-api-key': models }],
      ['/open', {}],
      ['/open', { 'x-api-key': models }],
    ] as [string, { [name: string]: string }][]) {
      gateway.upstream.arrived.length = 0;
      const answer = await gateway.send(`${path}/to${to}`, { headers });
      expect(answer.status, answer.body).toBeGreaterThanOrEqual(300);
      expect(answer.body).not.toMatch(/upstream$|admitted|"token"|eyJ/);
      expect(gateway.upstream.arrived).toEqual([]);
    }
    expect((await gateway.send(`/sent/to${to}`)).status).toBe(401);
  });

  it("an upstream's X-Keygate-* headers decide about nobody", async () => {
    expect((await gateway.send('/sent/x')).status).toBe(401);
    const open = await gateway.send('/open/x');
    expect([open.status, open.body]).toEqual([200, 'upstream']);
    expect((await gateway.send('/open/to/models/x')).status).toBe(401);
    expect((await gateway.send('/sent/to/chat/x', { headers: { 'x-api-key': models } })).status).toBe(403);
  });
});
