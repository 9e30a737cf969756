// The rules of the verdict cache: for what a verdict counts, how long, and what it gives away. What nginx asks the
// sidecar (bcrypt keys, EdDSA signatures) is counted, so a test knows which answers came from a cache.

import { hashSync } from '@node-rs/bcrypt';
import { createHash } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startCountedSidecar, untilTakenUp, type CountedSidecar } from './harness/counted_sidecar.js';
import { guardOf } from './harness/embedded.js';
import { startGateway, type Gateway } from './harness/gateway.js';
import { clearZone, readZone, withMemoryHandlers } from './harness/shared_memory.js';
import { jwksOf, makeSigner, type Signer } from './harness/tokens.js';
import { variants, type Variant } from './harness/variants.js';

type Headers = { [name: string]: string };

const sha256 = (key: string) => createHash('sha256').update(key).digest('base64url');
const bcrypt = (key: string) => hashSync(key, 4);
const bearer = (token: string): Headers => ({ authorization: `Bearer ${token}` });
const first72 = 'a'.repeat(72);
const last48 = 'z'.repeat(48);

const keyFile = [
  `models:${bcrypt('hashed-models')} scope=models`,
  `chat:${bcrypt('hashed-chat')} scope=chat`,
  `dmodels:$sha256$${sha256('digest-models')} scope=models`,
  `dchat:$sha256$${sha256('digest-chat')} scope=chat`,
  `headers:${bcrypt('headers-key')}`,
  `whole:${bcrypt(first72)}`,
  `long:$sha256$${sha256(`${first72}-long`)}`,
  `one:$sha256$${sha256(`one${last48}`)}`,
  `two:$sha256$${sha256(`two${last48}`)}`,
  `three:${bcrypt(`3${last48}`)}`,
  `secret:${bcrypt('secret-of-the-key-file')}`,
];

const locations = (variant: Variant) => {
  const settings = {
    models: 'set $keygate_require_scope models;',
    chat: 'set $keygate_require_scope chat;',
    'audience-a': 'set $keygate_jwt_audience a;',
    'audience-b': 'set $keygate_jwt_audience b;',
    'issuer-a': 'set $keygate_jwt_issuer https://a.example;',
    'issuer-b': 'set $keygate_jwt_issuer https://b.example;',
    strict: 'set $keygate_jwt_leeway 0;',
    'strict-too': 'set $keygate_jwt_leeway 0;',
    lenient: 'set $keygate_jwt_leeway 60;',
  };
  const pass = 'include keygate/proxy_headers.conf; proxy_pass http://keygate_upstream;';
  return Object.entries(settings)
    .map(([name, set]) => `location /${name}/ { ${guardOf(variant)} ${set} ${pass} }`)
    .join('\n');
};

describe.each(variants)('$name: verdict cache', (variant) => {
  const hasContexts = variant.engine === 'qjs';
  let gateway: Gateway;
  let sidecar: CountedSidecar;
  let signer: Signer;

  beforeAll(async () => {
    signer = await makeSigner('EdDSA', 'kid');
    const jwksPath = join(mkdtempSync(join(tmpdir(), 'keygate-jwks-')), 'jwks.json');
    writeFileSync(jwksPath, jwksOf(signer));
    gateway = await startGateway({
      variant,
      keys: `${keyFile.join('\n')}\n`,
      env: { JWKS_PATH: jwksPath },
      sidecar: false,
      edit: withMemoryHandlers(locations(variant)),
    });
    sidecar = await startCountedSidecar(gateway);
    await untilTakenUp(gateway);
  });

  afterAll(async () => {
    await gateway?.stop();
    await sidecar?.stop();
  });

  const status = async (path: string, headers: Headers) => (await gateway.send(path, { headers })).status;
  const userOf = async (path: string, headers: Headers) => {
    gateway.upstream.arrived.length = 0;
    const got = await status(path, headers);
    return got === 200 ? gateway.upstream.arrived[0]?.headers['x-auth-user'] : got;
  };
  const credentialOf = (headers: Headers) => (Object.values(headers)[0] ?? '').replace(/^Bearer /, '');
  const isDear = (headers: Headers) => !credentialOf(headers).startsWith('digest-');

  // Admitted again and again, for one question to the sidecar at most; by level one also without level two.
  const expectKnown = async (path: string, headers: Headers) => {
    expect(await status(path, headers)).toBe(200);
    const before = sidecar.asked(credentialOf(headers));
    expect(before > 0).toBe(isDear(headers));
    for (let i = 0; i < 2; i++) expect(await status(path, headers)).toBe(200);
    expect(sidecar.asked(credentialOf(headers))).toBe(before);
    if (!hasContexts) return;
    await clearZone(gateway, 'keygate_verdicts');
    expect(await status(path, headers)).toBe(200);
    expect(sidecar.asked(credentialOf(headers))).toBe(before);
  };

  const pairs: [
    what: string,
    a: string,
    b: string,
    refused: number,
    forA: () => Promise<Headers>,
    forB: () => Promise<Headers>,
  ][] = [
    [
      'audience',
      '/audience-a/',
      '/audience-b/',
      401,
      async () => bearer(await signer.sign({ aud: 'a' })),
      async () => bearer(await signer.sign({ aud: ['b', 'c'] })),
    ],
    [
      'issuer',
      '/issuer-a/',
      '/issuer-b/',
      401,
      async () => bearer(await signer.sign({ iss: 'https://a.example' })),
      async () => bearer(await signer.sign({ iss: 'https://b.example' })),
    ],
    [
      'scope of a token',
      '/models/',
      '/chat/',
      403,
      async () => bearer(await signer.sign({ scope: 'models' })),
      async () => bearer(await signer.sign({ scope: 'chat' })),
    ],
    [
      'scope of a bcrypt key',
      '/models/',
      '/chat/',
      403,
      async () => ({ 'x-api-key': 'hashed-models' }),
      async () => ({ 'x-api-key': 'hashed-chat' }),
    ],
    [
      'scope of a digest key',
      '/models/',
      '/chat/',
      403,
      async () => ({ 'x-api-key': 'digest-models' }),
      async () => ({ 'x-api-key': 'digest-chat' }),
    ],
  ];

  it.each(pairs)(
    'says nothing about a location of another %s, whichever comes first',
    async (_what, a, b, refused, forA, forB) => {
      const [first, second] = [await forA(), await forB()];
      await expectKnown(a, first);
      for (let i = 0; i < 2; i++) expect(await status(b, first)).toBe(refused);
      for (let i = 0; i < 2; i++) expect(await status(a, second)).toBe(refused);
      await expectKnown(b, second);
      await expectKnown(a, first);
      for (let i = 0; i < 2; i++) expect(await status(b, first)).toBe(refused);
    },
  );

  it('says nothing about a location of another leeway', async () => {
    const token = bearer(await signer.sign({ exp: Date.now() / 1000 - 10 }));
    await expectKnown('/lenient/', token);
    for (const path of ['/strict/', '/strict-too/']) expect(await status(path, token)).toBe(401);
  });

  it('ends with the token, to the millisecond', async () => {
    const exp = Date.now() / 1000 + 2.5;
    const token = bearer(await signer.sign({ exp }));
    await expectKnown('/strict/', token);
    const early: number[] = [];
    const late: number[] = [];
    let asked = 0;
    while (Date.now() < exp * 1000 + 500) {
      for (const path of ['/strict/', '/strict-too/']) {
        const startedMs = Date.now();
        const got = await status(path, token);
        if (startedMs >= exp * 1000) late.push(got);
        else if (Date.now() < exp * 1000) early.push(got);
        if (startedMs < exp * 1000 - 500) asked = sidecar.asked(credentialOf(token));
      }
    }
    expect(new Set(early)).toEqual(new Set([200]));
    expect(new Set(late)).toEqual(new Set([401]));
    expect(asked, 'once more where the test emptied level two').toBeLessThanOrEqual(2);
  });

  it('tells keys apart that are equal in their first 72 bytes, and in their last 48', async () => {
    const users: [string, string | number][] = [
      [first72, 'whole'],
      [`${first72}x`, 401],
      [`${first72}-long`, 'long'],
      [`${first72}-lone`, 401],
      [`one${last48}`, 'one'],
      [`two${last48}`, 'two'],
      [`3${last48}`, 'three'],
      [`four${last48}`, 401],
      [last48, 401],
    ];
    for (let i = 0; i < 3; i++) {
      for (const [key, user] of users) expect(await userOf('/', { 'x-api-key': key }), key).toBe(user);
    }
    expect(sidecar.asked(`3${last48}`)).toBe(1);
    expect(sidecar.asked(first72)).toBe(1);
  });

  it('tells a token from another with its signature', async () => {
    const token = await signer.sign({ sub: 'alice' });
    const [header, , signature] = token.split('.');
    const payload = Buffer.from(JSON.stringify({ sub: 'mallory', exp: 2 ** 33 })).toString('base64url');
    const forged = `${header}.${payload}.${signature}`;
    for (let i = 0; i < 3; i++) {
      expect(await userOf('/', bearer(forged))).toBe(401);
      expect(await userOf('/', bearer(token))).toBe('alice');
    }
    expect(sidecar.asked(token)).toBe(1);
  });

  it('knows a key in whichever header it comes, and never by half of what was sent', async () => {
    const key = 'headers-key';
    const good: Headers[] = [
      { authorization: `Bearer ${key}` },
      { authorization: key },
      { authorization: `bearer  ${key}` },
      { 'x-api-key': key },
      { 'api-key': key },
      { 'x-api-key': key, 'api-key': key },
      { authorization: 'Basic eDp5', 'api-key': key },
    ];
    const bad: [Headers, number][] = [
      [{ 'x-api-key': `Bearer ${key}` }, 401],
      [{ 'x-api-key': key, 'api-key': 'other' }, 400],
      [{ 'x-api-key': 'other', authorization: `Bearer ${key}` }, 400],
      [{ authorization: `Bearer Bearer ${key}` }, 401],
      [{ authorization: `Basic ${key}` }, 401],
    ];
    for (let i = 0; i < 2; i++) {
      for (const headers of good) expect(await userOf('/', headers), JSON.stringify(headers)).toBe('headers');
      for (const [headers, refused] of bad) expect(await status('/', headers), JSON.stringify(headers)).toBe(refused);
    }
    expect(sidecar.asked(key)).toBe(1);
  });

  it('files no verdict for each form in which one key may come: a single key could drive out all others', async () => {
    const key = `one${last48}`;
    const filed = async () => (await readZone(gateway, 'keygate_verdicts')).length;
    expect(await userOf('/', { 'x-api-key': key })).toBe('one');
    const before = await filed();
    for (let i = 0; i < 5; i++)
      expect(await userOf('/', { 'x-api-key': key, authorization: `Basic ${i}` })).toBe('one');
    expect(await filed()).toBe(before);
  });

  it('has nothing of a credential in shared memory', async () => {
    const token = await signer.sign({ sub: 'alice', note: 'n'.repeat(60) });
    const key = 'secret-of-the-key-file';
    const wrong = 'secret-that-is-wrong';
    expect(await status('/', bearer(token))).toBe(200);
    expect(await status('/', { 'x-api-key': key })).toBe(200);
    expect(await status('/', { 'x-api-key': wrong })).toBe(401);
    const zones = ['verdicts', 'refused', 'state', 'keys_a', 'keys_b'];
    const all = await Promise.all(zones.map((zone) => readZone(gateway, `keygate_${zone}`)));
    expect(all[0]?.length).toBeGreaterThan(1);
    expect(all[1]?.length).toBeGreaterThan(0);
    const text = JSON.stringify(all);
    for (const part of [...token.split('.'), token.slice(-20), key, wrong, ...[token, key, wrong].map(sha256)])
      expect(text).not.toContain(part);
  });
});
