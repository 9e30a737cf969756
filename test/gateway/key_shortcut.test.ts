// An API key that a context sees for the first time, after another one of the same location was admitted there: the
// short way of njs/key_shortcut.ts on QuickJS. It must come to what the whole decision comes to.

import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { guardOf } from './harness/embedded.js';
import { startGateway, type Gateway } from './harness/gateway.js';
import { variants, type Variant } from './harness/variants.js';

type Headers = { [name: string]: string | string[] };

const sha256 = (key: string) => createHash('sha256').update(key).digest('base64url');
const line = (name: string, key: string, attributes = '') => `${name}:$sha256$${sha256(key)} ${attributes}\n`;
const soon = new Date(Date.now() + 3600_000).toISOString();

const keyFile = [
  line('opener', 'opener-key'),
  line('digest', 'digest-key'),
  'plain-text-key-of-the-test\n',
  line('expired', 'expired-key', 'expires=2020-01-01T00:00:00Z'),
  line('lasting', 'lasting-key', `expires=${soon}`),
  line('scoped', 'scoped-key', 'scope=models'),
  line('dotted', 'like.a.token'),
  line('spaced', 'spaced key'),
  line('comma', 'comma-key,'),
  line('long', 'l'.repeat(300)),
];

const locations = (variant: Variant) =>
  `location /scoped/ { ${guardOf(variant)} set $keygate_require_scope models;
     include keygate/proxy_headers.conf; proxy_pass http://keygate_upstream; }`;

describe.each(variants)('$name: a key after another', (variant) => {
  let gateway: Gateway;

  beforeAll(async () => {
    gateway = await startGateway({
      variant,
      keys: keyFile.join(''),
      sidecar: false,
      edit: {
        'nginx.conf': (conf) =>
          conf.replace('include keygate/server.conf;', `include keygate/server.conf;\n${locations(variant)}`),
      },
    });
    await vi.waitFor(async () => expect(await ask({ 'x-api-key': 'opener-key' })).toBe('opener'), 5000);
  });

  afterAll(() => gateway?.stop());

  // Whom the upstream is told of, or the status of the refusal.
  const ask = async (headers: Headers, path = '/') => {
    gateway.upstream.arrived.length = 0;
    const { status } = await gateway.send(path, { headers });
    return status === 200 ? gateway.upstream.arrived[0]?.headers['x-auth-user'] : status;
  };

  const open = async () => {
    for (let i = 0; i < 8; i++) expect(await ask({ 'x-api-key': 'opener-key' })).toBe('opener');
  };

  it.each<[what: string, headers: Headers, expected: string | number]>([
    ['a SHA-256 key in x-api-key', { 'x-api-key': 'digest-key' }, 'digest'],
    ['the same in api-key', { 'api-key': 'digest-key' }, 'digest'],
    ['the same as a bearer token', { authorization: 'Bearer digest-key' }, 'digest'],
    ['a key that ends later', { 'x-api-key': 'lasting-key' }, 'lasting'],
    ['a key with a scope that nothing requires', { 'x-api-key': 'scoped-key' }, 'scoped'],
    ['a long key', { 'x-api-key': 'l'.repeat(300) }, 'long'],
    ['a key with a comma at its end', { 'x-api-key': 'comma-key,' }, 'comma'],
    ['an expired key', { 'x-api-key': 'expired-key' }, 401],
    ['a key that nobody has', { 'x-api-key': 'nobody-has-it' }, 401],
    ['a key shaped like a token', { 'x-api-key': 'like.a.token' }, 401],
    ['a key with a space', { 'x-api-key': 'spaced key' }, 401],
    ['the digest in the place of the key', { 'x-api-key': sha256('digest-key') }, 401],
    ['the same key twice', { 'x-api-key': ['digest-key', 'digest-key'] }, 400],
    ['a key and an empty second header', { 'x-api-key': ['digest-key', ''] }, 400],
    ['two keys', { 'x-api-key': 'digest-key', 'api-key': 'lasting-key' }, 400],
    ['another scheme beside no key', { authorization: 'Basic digest-key' }, 401],
  ])('%s', async (_, headers, expected) => {
    await open();
    expect(await ask(headers)).toBe(expected);
    expect(await ask(headers)).toBe(expected);
  });

  it('does not reach into a location that requires a scope', async () => {
    await open();
    expect(await ask({ 'x-api-key': 'scoped-key' }, '/scoped/')).toBe('scoped');
    expect(await ask({ 'x-api-key': 'digest-key' }, '/scoped/')).toBe(403);
    expect(await ask({ 'x-api-key': 'lasting-key' }, '/scoped/')).toBe(403);
  });

  it('knows a key no longer within a second of its removal, and a new one', async () => {
    await open();
    expect(await ask({ 'x-api-key': 'digest-key' })).toBe('digest');
    const others = keyFile.filter((one) => !one.startsWith('digest:'));
    writeFileSync(gateway.keysFile, others.join('') + line('new', 'new-key'));
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(await ask({ 'x-api-key': 'digest-key' })).toBe(401); // before and after it is open again
    expect(await ask({ 'x-api-key': 'new-key' })).toBe('new');
    await open();
    expect(await ask({ 'api-key': 'digest-key' })).toBe(401);
    expect(await ask({ 'api-key': 'new-key' })).toBe('new');
    writeFileSync(gateway.keysFile, keyFile.join(''));
  });
});
