// The key file while nginx runs: every change within a second, in every worker, with all that rests on it.

import { appendFileSync, renameSync, writeFileSync } from 'node:fs';
import { hashSync } from '@node-rs/bcrypt';
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { startGateway, type Gateway } from './harness/gateway.js';
import { askEverywhere, sha256Line, sidecarHealth, timesTakenUp } from './harness/key_file.js';
import { describeAtOnce } from './harness/variants.js';

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const withKey = (key: string) => ({ headers: { 'x-api-key': key } });
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

  const everywhere = (credential: string) => askEverywhere(gateway, credential);
  // Until nginx says so: within a second, on a machine that has nothing else to do. The mark makes each content new.
  const takeUp = async (content: string | Buffer) => {
    const before = timesTakenUp(gateway);
    const mark = Buffer.from(`\n# ${Math.random()}\n`);
    writeFileSync(gateway.keysFile, Buffer.concat([Buffer.from(content), mark]));
    await vi.waitFor(() => expect(timesTakenUp(gateway)).toBeGreaterThan(before), { timeout: 20000, interval: 20 });
    await pause(20); // the generation changes last
  };
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
      const { generation, nginxGeneration } = await sidecarHealth(gateway);
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
});
