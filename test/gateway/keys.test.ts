// The key file while nginx runs: every change within a second, in every worker, with all that rests on it.

import { createHash } from 'node:crypto';
import { appendFileSync, renameSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { hashSync } from '@node-rs/bcrypt';
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { startGateway, type Gateway } from './harness/gateway.js';
import { describeAtOnce } from './harness/variants.js';

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const withKey = (key: string) => ({ headers: { 'x-api-key': key } });
const sha256Line = (key: string) => `$sha256$${createHash('sha256').update(key).digest('base64url')}`;
const hashOf = (key: string) => hashSync(key, 4).replace(/^\$2.\$/, '$2b$');
const aliceHash = hashOf('alice-key');
const first = `alice:${aliceHash}\nbob:${sha256Line('bob-key')} scope=models\nplain-key\n`;

describeAtOnce('the key file', (variant) => {
  let gateway: Gateway;

  beforeAll(async () => {
    gateway = await startGateway({ variant, keys: first, workers: 2 });
  });

  beforeEach(() => takeUp(first));

  afterAll(() => gateway?.stop());

  // Many connections at once, so that both workers are asked.
  const everywhere = async (credential: string): Promise<number[]> => {
    const answers = await Promise.all(Array.from({ length: 12 }, () => gateway.send('/', withKey(credential))));
    return [...new Set(answers.map((answer) => answer.status))];
  };
  // Until nginx says so: within a second, on a machine that has nothing else to do. The mark makes each content new.
  const taken = () => gateway.errorLog().split('keygate: API keys taken up').length;
  const takeUp = async (content: string | Buffer) => {
    const before = taken();
    const mark = Buffer.from(`\n# ${Math.random()}\n`);
    writeFileSync(gateway.keysFile, Buffer.concat([Buffer.from(content), mark]));
    await vi.waitFor(() => expect(taken()).toBeGreaterThan(before), { timeout: 20000, interval: 20 });
    await pause(20); // the generation changes last
  };
  const sidecarHealth = (): Promise<{ generation: string; nginxGeneration: string }> =>
    new Promise((resolve, reject) => {
      const socketPath = join(gateway.stateDir, 'run', 'verifier.sock');
      const headers = { 'content-type': 'application/vnd.keygate+json' };
      const sent = request({ socketPath, path: '/health', method: 'POST', headers }, (response) => {
        response.on('data', (part: Buffer) => resolve(JSON.parse(part.toString()) as never));
      });
      sent.on('error', reject);
      sent.end('{}');
    });
  const mint = async (key: string): Promise<string> => {
    const answer = await gateway.send('/token', { method: 'POST', ...withKey(key) });
    return (answer.json() as unknown as { token: string }).token;
  };

  it(
    'admits what was added and refuses what was removed, in every worker, cached verdicts and ' + 'tokens too',
    async () => {
      const tokens = { alice: await mint('alice-key'), bob: await mint('bob-key') };
      for (const credential of ['alice-key', 'bob-key', 'plain-key', tokens.alice, tokens.bob]) {
        expect(await everywhere(credential), credential).toEqual([200]);
      }
      await takeUp(`bob:${sha256Line('bob-key')} scope=models\ncarol:${hashOf('carol-key')}\n`);
      for (const gone of ['alice-key', 'plain-key', tokens.alice]) {
        expect(await everywhere(gone), gone).toEqual([401]);
      }
      for (const there of ['bob-key', 'carol-key', tokens.bob]) {
        expect(await everywhere(there), there).toEqual([200]);
      }
      await takeUp(`alice:${hashOf('alice-key-2')}\n`); // a new alice is not the old one
      expect(await everywhere('alice-key-2')).toEqual([200]);
      expect(await everywhere(tokens.alice)).toEqual([401]);
      expect(await everywhere(tokens.bob)).toEqual([401]);
    },
  );

  it('refuses a key and its tokens from the moment it expires, and after its scope has changed', async () => {
    const token = await mint('bob-key');
    const soonMs = Date.now() + 8000;
    const soon = new Date(soonMs).toISOString();
    await takeUp(`alice:${aliceHash} expires=${soon}\nbob:${sha256Line('bob-key')} scope=chat\n`);
    const ofAlice = await mint('alice-key');
    expect(await everywhere('alice-key')).toEqual([200]);
    expect(await everywhere(ofAlice)).toEqual([200]);
    expect(await everywhere('bob-key')).toEqual([200]);
    expect(await everywhere(token), 'minted for another scope').toEqual([401]);
    await pause(soonMs - Date.now() + 10);
    expect(await everywhere('alice-key')).toEqual([401]);
    expect(await everywhere(ofAlice)).toEqual([401]);
    expect(await everywhere('bob-key')).toEqual([200]);
  });

  it.each([
    ['line ends of Windows', 'one-key\r\ntwo:$H\r\n'],
    ['a byte order mark', '\ufeffone-key\ntwo:$H\n'],
    ['no line end at the end', 'two:$H\none-key'],
    ['two keys of one name', 'two:$H\ntwo:$I\none-key\n'],
    ['the same line twice', 'two:$H\ntwo:$H\none-key\n'],
    ['a megabyte of comments', `# ${'x'.repeat(120)}\n`.repeat(8500) + 'one-key\ntwo:$H\n'],
    ['a line of 100 KB', `${'x'.repeat(100000)}\none-key\ntwo:$H\n`],
    ['lines that can not be used', 'three:plaintext\n$1$md5\nfour:$2b$15$' + 'a'.repeat(53) + '\none-key\ntwo:$H\n'],
  ])('takes up a file with %s', async (_, content) => {
    const hashes: { [mark: string]: string } = { $H: hashOf('two-key'), $I: hashOf('2-key') };
    const text = content.replace(/\$[HI]/g, (mark) => hashes[mark] as string);
    await takeUp(Buffer.from(text));
    expect(await everywhere('one-key')).toEqual([200]);
    expect(await everywhere('two-key')).toEqual([200]);
    expect(await everywhere('plain-key')).toEqual([401]);
    await vi.waitFor(async () => {
      const { generation, nginxGeneration } = await sidecarHealth();
      expect(nginxGeneration, 'nginx and sidecar name the content alike').toBe(generation);
    }, 10000);
    if (text.includes('2b$15$')) {
      const log = gateway.errorLog();
      expect(log).toMatch(/line 1: .*name/);
      expect(log).toMatch(/line 3: .*cost/);
      expect(log).not.toContain('three:plaintext');
      expect(log).not.toContain('md5');
    }
  });

  it('loses no key while a file is written piece by piece, or replaced by rename', async () => {
    const statuses = new Set<number>();
    let isOver = false;
    const watching = (async () => {
      while (!isOver) {
        statuses.add((await gateway.send('/', withKey('plain-key'))).status);
        await pause(10);
      }
    })();
    for (let i = 0; i < 3; i++) {
      writeFileSync(gateway.keysFile, 'another-key\n');
      for (const piece of ['more-', 'of-it\n', 'pla', 'in-key\n']) {
        await pause(60);
        appendFileSync(gateway.keysFile, piece);
      }
      await pause(400);
      writeFileSync(`${gateway.keysFile}.new`, `renamed-key-${i}\n${first}`);
      renameSync(`${gateway.keysFile}.new`, gateway.keysFile);
      const renamed = `renamed-key-${i}`;
      await vi.waitFor(async () => expect(await everywhere(renamed)).toEqual([200]), 10000);
    }
    isOver = true;
    await watching;
    expect([...statuses]).toEqual([200]);
  });

  it('means no keys by a file of comments', async () => {
    writeFileSync(gateway.keysFile, '# nobody\n\n   \n');
    await vi.waitFor(async () => expect(await everywhere('plain-key')).toEqual([401]), 10000);
    for (const key of ['alice-key', 'bob-key', 'plain-key', '# nobody', '#']) {
      expect(await everywhere(key), key).toEqual([401]);
    }
    expect((await gateway.send('/health/ready')).json()).toMatchObject({ components: { keys: 'ok' } });
  });

  it('refuses a key whose expiry lies in the past, however far, and the tokens of none', async () => {
    await takeUp(
      `alice:${sha256Line('alice-1970')} expires=1970-01-01\nbob:${hashOf('bob-1970')} expires=1970-01-01\n`,
    );
    for (const key of ['alice-1970', 'bob-1970']) {
      expect(await everywhere(key), key).toEqual([401]);
      expect((await gateway.send('/token', { method: 'POST', ...withKey(key) })).status, key).toBe(401);
    }
  });

  it('remembers a wrong key for 10 s, and takes it for right within a second of its line', async () => {
    for (let i = 0; i < 3; i++) expect(await everywhere('late-key')).toEqual([401]);
    await takeUp(`${first}late:${hashOf('late-key')}\n`);
    expect(await everywhere('late-key')).toEqual([200]);
    await takeUp(first);
    expect(await everywhere('late-key')).toEqual([401]);
  });

  it('takes large files up that follow each other while nginx is reloaded again and again', async () => {
    const many = (mark: string) =>
      Array.from({ length: 20000 }, (_, i) => `${mark}${i}:${sha256Line(`${mark}-${i}`)}`).join('\n');
    const [one, two, three] = [many('one'), many('two'), many('three')];
    for (const content of [one, two, three]) {
      writeFileSync(`${gateway.keysFile}.new`, `${content}\n`);
      renameSync(`${gateway.keysFile}.new`, gateway.keysFile);
      gateway.nginx.reload();
      await pause(250);
      gateway.nginx.reload();
      await pause(150);
    }
    await vi.waitFor(
      async () => {
        expect(await everywhere('three-19999')).toEqual([200]); // maybe by the sidecar alone, which was faster
        const { generation, nginxGeneration } = await sidecarHealth();
        expect(nginxGeneration).toBe(generation);
      },
      { timeout: 30000, interval: 100 },
    );
    await pause(1500); // workers on their way out
    for (const gone of ['one-0', 'one-19999', 'two-0', 'two-19999'])
      expect(await everywhere(gone), gone).toEqual([401]);
    for (const there of ['three-0', 'three-19999']) expect(await everywhere(there), there).toEqual([200]);
    expect(gateway.errorLog()).not.toMatch(/exited on signal|do not fit/);
  }, 60000);

  it('serves 100,000 keys', async () => {
    const lines = Array.from({ length: 100000 }, (_, i) => `u${i}:${sha256Line(`key-${i}`)}`);
    const before = taken();
    writeFileSync(gateway.keysFile, `${lines.join('\n')}\n`);
    await vi.waitFor(() => expect(taken()).toBeGreaterThan(before), { timeout: 90000, interval: 100 });
    await pause(500);
    expect(await everywhere('key-99999')).toEqual([200]);
    expect(await everywhere('key-0')).toEqual([200]);
    expect(await everywhere('key-100000')).toEqual([401]);
    expect(gateway.errorLog()).toContain('API keys taken up: 100000 usable, 0 unusable');
    expect(gateway.errorLog()).not.toMatch(/exited on signal|do not fit/);
  }, 120000);
});
