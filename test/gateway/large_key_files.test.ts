// The largest key files that an operator may have, replaced while nginx runs. One variant after the other: while the
// test makes its hashes it looks at nothing.

import { renameSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startGateway, type Gateway } from './harness/gateway.js';
import { askEverywhere, sha256Line, sidecarHealth, timesTakenUp } from './harness/key_file.js';
import { variants } from './harness/variants.js';

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe.each(variants)('$name: a large key file', (variant) => {
  let gateway: Gateway;

  beforeAll(async () => {
    gateway = await startGateway({ variant, keys: 'plain-key\n', workers: 2 });
  });

  afterAll(() => gateway?.stop());

  const everywhere = (credential: string) => askEverywhere(gateway, credential);

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
        const { generation, nginxGeneration } = await sidecarHealth(gateway);
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
    const before = timesTakenUp(gateway);
    writeFileSync(gateway.keysFile, `${lines.join('\n')}\n`);
    await vi.waitFor(() => expect(timesTakenUp(gateway)).toBeGreaterThan(before), { timeout: 90000, interval: 100 });
    await pause(500);
    expect(await everywhere('key-99999')).toEqual([200]);
    expect(await everywhere('key-0')).toEqual([200]);
    expect(await everywhere('key-100000')).toEqual([401]);
    expect(gateway.errorLog()).toContain('API keys taken up: 100000 usable, 0 unusable');
    expect(gateway.errorLog()).not.toMatch(/exited on signal|do not fit/);
  }, 120000);
});
