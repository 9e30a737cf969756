// A verdict belongs to one generation of keys: what is decided while they change is decided again, and no verdict
// comes back to life with the content it was reached under.

import { hashSync } from '@node-rs/bcrypt';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { startGateway, type Gateway } from './harness/gateway.js';
import { entryOf, startImpostor, type Question } from './harness/impostor.js';
import { jwksOf, makeSigner } from './harness/tokens.js';
import { variants } from './harness/variants.js';

const alice = `alice:${hashSync('alice-key', 4)}\n`;
const other = `other:${hashSync('other-key', 4)}\n`;
const bob = 'bob-key\n';

describe.each(variants)('$name: generations', (variant) => {
  let gateway: Gateway;

  const open = async (env: { [name: string]: string } = {}) => {
    gateway = await startGateway({ variant, keys: alice, sidecar: false, env });
  };
  const status = async (key = 'alice-key') => (await gateway.send('/', { headers: { 'x-api-key': key } })).status;
  const taken = () => gateway.errorLog().split('keygate: API keys taken up').length;
  const takeUp = async (content: string) => {
    const before = taken();
    writeFileSync(gateway.keysFile, content);
    await vi.waitFor(() => expect(taken()).toBeGreaterThan(before), { timeout: 10000, interval: 10 });
    await new Promise((resolve) => setTimeout(resolve, 30)); // the generation changes last
  };

  afterEach(() => gateway?.stop());

  it.each([
    ['refuses a key that was revoked', bob, 401, 1],
    ['asks again about a key that may still stand', alice + other, 200, 2],
    ['admits by the answer to the last question', other, 401, 2],
  ])('%s while the sidecar was thinking about it', async (_, content, expected, questions) => {
    await open();
    const asked: Question[] = [];
    const impostor = await startImpostor(gateway, async (_route, question) => {
      asked.push(question);
      const first = asked[0]?.generation;
      if (asked.length === 1) await takeUp(content);
      const isKnown = content.startsWith('alice') || question.generation === first;
      return isKnown
        ? { generation: question.generation, admitted: true, entry: entryOf('alice') }
        : { generation: question.generation, admitted: false, reason: 'unknown_key' };
    });
    expect(await status()).toBe(expected);
    expect(asked).toHaveLength(questions);
    expect(new Set(asked.map((question) => question.generation)).size).toBe(questions);
    impostor.stop();
    if (expected === 200) expect(await status(), 'the last answer is remembered').toBe(200);
  });

  it('refuses a token that was revoked while the sidecar was thinking about it', async () => {
    const signer = await makeSigner('EdDSA', 'kid');
    const jwksPath = join(mkdtempSync(join(tmpdir(), 'keygate-jwks-')), 'jwks.json');
    writeFileSync(jwksPath, jwksOf(signer));
    await open({ JWKS_PATH: jwksPath });
    const denied = join(dirname(gateway.keysFile), 'denied.txt');
    let asked = 0;
    let thinking: Promise<unknown> | undefined;
    const impostor = await startImpostor(gateway, async () => {
      asked++;
      await thinking;
      return { valid: true };
    });
    const statusOf = async (jti: string) => {
      const authorization = `Bearer ${await signer.sign({ jti })}`;
      return (await gateway.send('/', { headers: { authorization } })).status;
    };
    for (const jti of ['first', 'second']) {
      thinking = undefined;
      expect(await statusOf(`${jti}-opens`)).toBe(200);
      thinking = new Promise((resolve) => setTimeout(resolve, 1300)); // the deny list is taken up meanwhile
      writeFileSync(denied, `jti:first\njti:${jti}\n`);
      expect(await statusOf(jti), jti).toBe(401);
    }
    expect(asked).toBeGreaterThanOrEqual(4);
    impostor.stop();
  }, 20000);

  it('forgets what was admitted under the same content before it was changed and changed back', async () => {
    await open();
    let isAlice = true;
    let asked = 0;
    const impostor = await startImpostor(gateway, (_route, { generation }) => {
      asked++;
      return isAlice
        ? { generation, admitted: true, entry: entryOf('alice') }
        : { generation, admitted: false, reason: 'unknown_key' };
    });
    for (let i = 0; i < 3; i++) expect(await status()).toBe(200);
    expect(asked).toBe(1);
    isAlice = false;
    await takeUp(other);
    await takeUp(alice);
    expect(await status()).toBe(401);
    expect(asked).toBe(2);
    impostor.stop();
  });
});
