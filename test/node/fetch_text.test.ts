// An operator whose sidecar has no network: the log says so, and not only that a name is unknown.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const canUnshare = spawnSync('unshare', ['-rn', 'true']).status === 0;
if (!canUnshare) console.warn('SKIPPED: fetch_text without a network needs unshare, and it does not work here');

let dir = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'keygate-fetch-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe.skipIf(!canUnshare)('fetchText', () => {
  it.each(['https://idp.example/keys', 'https://10.0.0.1/keys'])('says that there is no network for %s', (url) => {
    const program = join(dir, 'fetch.mjs');
    const what = JSON.stringify({ url, timeoutMs: 20000 });
    const contents = `import { fetchText } from './node/fetch_text.ts'; console.log((await fetchText(${what})).fault);`;
    const stdin = { contents, resolveDir: join(import.meta.dirname, '../..'), loader: 'ts' as const };
    buildSync({ stdin, bundle: true, platform: 'node', format: 'esm', target: 'node20', outfile: program });
    const ran = spawnSync('unshare', ['-rn', process.execPath, program], { encoding: 'utf8' });
    expect(ran.stdout, ran.stderr).toMatch(/^there is no network here: (?:EAI_AGAIN|ENETUNREACH|ENOTFOUND) /);
  });
});
