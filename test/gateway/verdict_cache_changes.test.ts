// What ends a remembered verdict, in every worker, and what comes of caches that are full.

import { hashSync } from '@node-rs/bcrypt';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { sendPipelined } from './harness/client.js';
import { startCountedSidecar, untilTakenUp, type CountedSidecar } from './harness/counted_sidecar.js';
import { guardOf } from './harness/embedded.js';
import { startGateway, type Gateway, type GatewayOptions } from './harness/gateway.js';
import { sha256Line } from './harness/key_file.js';
import { readZone, withMemoryHandlers } from './harness/shared_memory.js';
import { jwksOf, makeSigner, type Signer } from './harness/tokens.js';
import { describeAtOnce } from './harness/variants.js';

type Headers = { [name: string]: string };

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const bearer = (token: string): Headers => ({ authorization: `Bearer ${token}` });
const asKey = (key: string): Headers => ({ 'x-api-key': key });

describeAtOnce('verdict cache', (variant) => {
  let gateway: Gateway;
  let sidecar: CountedSidecar | undefined;
  let jwksPath: string;

  const open = async (signers: Signer[], options: Partial<GatewayOptions>) => {
    jwksPath = join(mkdtempSync(join(tmpdir(), 'keygate-jwks-')), 'jwks.json');
    writeFileSync(jwksPath, jwksOf(...signers));
    const pass = 'include keygate/proxy_headers.conf; proxy_pass http://keygate_upstream;';
    const location = `location /worker/ { ${guardOf(variant)} add_header X-Worker $pid always; ${pass} }`;
    const edit = withMemoryHandlers(location, options.edit === undefined ? {} : smallZones);
    gateway = await startGateway({ variant, env: { JWKS_PATH: jwksPath }, sidecar: false, ...options, edit });
    sidecar = await startCountedSidecar(gateway);
    await untilTakenUp(gateway);
  };
  const smallZones = { keygate_verdicts: '64k', keygate_refused: '64k' };

  afterEach(async () => {
    await gateway?.stop();
    await sidecar?.stop();
  });

  // Until both workers have answered. Refusals through auth_request come from a named location, without X-Worker:
  // there, eight rounds of new connections.
  const everywhere = async (headers: Headers): Promise<number[]> => {
    const workers = new Set<unknown>();
    const statuses = new Set<number>();
    for (let i = 0; i < (workers.has(undefined) ? 8 : 40) && workers.size < 2; i++) {
      const answers = await Promise.all(Array.from({ length: 6 }, () => gateway.send('/worker/x', { headers })));
      for (const answer of answers) {
        workers.add(answer.headers['x-worker']);
        statuses.add(answer.status);
      }
    }
    if (!workers.has(undefined)) expect(workers.size, 'both workers were asked').toBe(2);
    return [...statuses];
  };
  // From the first refusal on, by whichever worker, nobody admits it.
  const expectGone = async (headers: Headers) => {
    const once = async () => (await gateway.send('/worker/x', { headers })).status;
    await vi.waitFor(async () => expect(await once()).toBe(401), { timeout: 20000, interval: 20 });
    expect(await everywhere(headers)).toEqual([401]);
  };

  it('forgets in every worker what was revoked, and takes for right at once what was wrong', async () => {
    const [old, other] = [await makeSigner('ES256', 'old'), await makeSigner('EdDSA', 'other')];
    const keys = `alice:${hashSync('alice-key', 4)}\nbob:${sha256Line('bob-key')}\nplain-key\nminter:${sha256Line('minter-key')}\n`;
    await open([old, other], { keys, workers: 2 });
    const minted = await gateway.send('/token', { method: 'POST', headers: asKey('minter-key') });
    const token = minted.json()['token'] as string;
    const stays = bearer(await other.sign({ jti: 'stays' }));
    const denied = bearer(await other.sign({ jti: 'denied' }));
    const rotated = bearer(await old.sign());
    const ofFile = [asKey('alice-key'), asKey('bob-key'), asKey('plain-key'), bearer(token)];
    for (const headers of [...ofFile, denied, rotated, stays]) expect(await everywhere(headers)).toEqual([200]);
    for (let i = 0; i < 3; i++) expect(await everywhere(asKey('late-key'))).toEqual([401]);
    const asked = sidecar?.asked('late-key') ?? 0;
    expect(asked, 'by as many requests as came at first').toBeLessThanOrEqual(6);
    expect(await everywhere(asKey('late-key'))).toEqual([401]);
    expect(sidecar?.asked('late-key')).toBe(asked);

    writeFileSync(join(dirname(gateway.keysFile), 'denied.txt'), 'jti:denied\n');
    await expectGone(denied);
    writeFileSync(jwksPath, jwksOf(other));
    await expectGone(rotated);
    writeFileSync(gateway.keysFile, `late:${hashSync('late-key', 4)}\n`);
    for (const headers of ofFile) await expectGone(headers);
    expect(await everywhere(asKey('late-key'))).toEqual([200]);
    expect(await everywhere(stays)).toEqual([200]);
  }, 60000);

  it('ends with the key, to the millisecond, and so does what was minted from it', async () => {
    const endMs = Date.now() + 12000;
    const expires = `expires=${new Date(endMs).toISOString()}`;
    await open([await makeSigner('EdDSA', 'kid')], {
      keys: `alice:${hashSync('alice-key', 4)} ${expires}\nbob:${sha256Line('bob-key')} ${expires}\n`,
      workers: 2,
    });
    const minted = await gateway.send('/token', { method: 'POST', headers: asKey('bob-key') });
    const all = [asKey('alice-key'), asKey('bob-key'), bearer(minted.json()['token'] as string)];
    for (const headers of all) expect(await everywhere(headers)).toEqual([200]);
    const asked = sidecar?.asked('alice-key');
    for (const headers of all) expect(await everywhere(headers)).toEqual([200]);
    expect(sidecar?.asked('alice-key'), 'known').toBe(asked);
    await pause(endMs - Date.now() - 200);
    const late: number[] = [];
    while (Date.now() < endMs + 300) {
      for (const headers of all) {
        const startedMs = Date.now();
        const { status } = await gateway.send('/worker/x', { headers });
        if (startedMs >= endMs) late.push(status);
        else if (Date.now() < endMs) expect(status).toBe(200);
      }
    }
    expect(new Set(late)).toEqual(new Set([401]));
  }, 60000);

  // Who was admitted, in turn: requests of one connection reach the upstream one behind the other.
  const usersOf = async (all: Headers[]): Promise<unknown[]> => {
    const users: unknown[] = [];
    for (let i = 0; i < all.length; i += 100) {
      const part = all.slice(i, i + 100);
      const requests = part.map((headers, n) => {
        const end = n === part.length - 1 ? 'Connection: close\r\n' : '';
        const [name, value] = Object.entries(headers)[0] as [string, string];
        return `GET /x HTTP/1.1\r\nHost: localhost\r\n${name}: ${value}\r\n${end}\r\n`;
      });
      gateway.upstream.arrived.length = 0;
      const statuses = await sendPipelined(gateway.url, requests);
      const arrived = gateway.upstream.arrived.map(({ headers }) => headers['x-auth-user']);
      for (const status of statuses) users.push(status === 200 ? arrived.shift() : status);
    }
    return users;
  };

  it('answers rightly with more keys than a context remembers, by number and by length', async () => {
    const keys = [
      ...Array.from({ length: 700 }, (_, i) => `short-key-${i}`),
      ...Array.from({ length: 40 }, (_, i) => `${i}-long-key-${'l'.repeat(4000)}`),
    ];
    const lines = keys.map((key, i) => `u${i}:${sha256Line(key)}`);
    await open([], { keys: `${lines.join('\n')}\n` });
    const sent = keys.flatMap((key, i) => (i % 10 === 0 ? [key, `${key}x`] : [key]));
    const expected = sent.map((key) => (keys.includes(key) ? `u${keys.indexOf(key)}` : 401));
    for (const turn of [sent, sent, [...sent].reverse()]) {
      const users = turn === sent ? expected : [...expected].reverse();
      expect(await usersOf(turn.map(asKey))).toEqual(users);
    }
  });

  it('answers rightly with more tokens and wrong keys than all workers remember', async () => {
    const signer = await makeSigner('ES256', 'kid');
    const edit = {};
    await open([signer], { keys: `alice:${hashSync('alice-key', 4)}\n`, edit });
    const tokens = await Promise.all(Array.from({ length: 900 }, (_, i) => signer.sign({ sub: `t${i}` })));
    const users = tokens.map((_, i) => `t${i}`);
    for (let i = 0; i < 2; i++) expect(await usersOf(tokens.map(bearer))).toEqual(users);
    expect(await usersOf([...tokens].reverse().map(bearer))).toEqual([...users].reverse());
    const wrong = Array.from({ length: 500 }, (_, i) => asKey(`wrong-key-${i}`));
    expect(new Set(await usersOf(wrong))).toEqual(new Set([401]));
    for (const [zone, most] of [
      ['keygate_verdicts', 900],
      ['keygate_refused', 500],
    ] as const) {
      const remembered = (await readZone(gateway, zone)).length;
      expect(remembered, `${zone} was full`).toBeLessThan(most);
      expect(remembered).toBeGreaterThan(50);
    }
    expect(await usersOf([asKey('alice-key'), asKey('alice-key')])).toEqual(['alice', 'alice']);
  }, 120000);
});
