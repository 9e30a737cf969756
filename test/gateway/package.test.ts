// The npm package as an operator gets it: packed from a clean tree, installed with npm, and served from.

import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { send } from './harness/client.js';
import { editSettings, linesIn, makeOperator } from './harness/operator.js';
import { startUpstream } from './harness/upstream.js';
import { variants } from './harness/variants.js';

const root = join(import.meta.dirname, '../..');
const work = mkdtempSync(join(tmpdir(), 'keygate-package-'));
const home = join(work, 'home');
const bin = (name: string) => join(home, 'node_modules', '.bin', name);
const isInAClone = (path: string) => !/^(?:node_modules|dist|\.dist-.*|\.git|\.keygate)$/.test(basename(path));

function run(program: string, args: string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}): string {
  const ran = spawnSync(program, args, { ...options, encoding: 'utf8' });
  if (ran.status !== 0) throw new Error(`${program} ${args.join(' ')}: ${ran.error ?? ''}${ran.stdout}${ran.stderr}`);
  return ran.stdout;
}

// Packed from a copy without dist/: prepack has to build it, and other tests use the one of this tree.
beforeAll(() => {
  const clone = join(work, 'clone');
  cpSync(root, clone, { recursive: true, filter: isInAClone });
  symlinkSync(join(root, 'node_modules'), join(clone, 'node_modules'));
  run('npm', ['pack', '--pack-destination', work, '--loglevel=error'], { cwd: clone });
  const tarball = readdirSync(work).find((name) => name.endsWith('.tgz')) ?? '';
  mkdirSync(home);
  run('npm', [
    'install',
    '--prefix',
    home,
    '--omit=dev',
    '--no-audit',
    '--no-fund',
    '--prefer-offline',
    '--loglevel=error',
    join(work, tarball),
  ]);
}, 300000);

afterAll(() => rmSync(work, { recursive: true, force: true }));

describe('the package', () => {
  it('holds what an installation needs, and none of the sources', () => {
    const holds = (folder: string) => readdirSync(join(home, 'node_modules/keygate', folder)).sort();
    expect(holds('dist')).toEqual([
      'bcrypt_worker.js',
      'keygate.es5.js',
      'keygate.js',
      'keygate_command.js',
      'keygate_counter.es5.js',
      'keygate_counter.js',
      'keygate_metrics.es5.js',
      'keygate_metrics.js',
      'verifier.js',
    ]);
    expect(holds('nginx')).toEqual(['snippets']);
    expect(holds('nginx/snippets')).toEqual(readdirSync(join(root, 'nginx/snippets')).sort());
    expect(holds('systemd')).toEqual(readdirSync(join(root, 'systemd')).sort());
    expect(holds('')).toEqual(
      expect.arrayContaining(['CHANGELOG.md', 'LICENSE', 'README.md', 'docs', 'examples', 'systemd']),
    );
  });

  it.each(variants.filter((one) => one.entry === 'auth_request'))(
    'is installed for $name, and admits a key that the command made',
    async (variant) => {
      const upstream = await startUpstream();
      const operator = await makeOperator(variant, upstream.url);
      const state = join(operator.dir, 'state');
      const env = {
        ...process.env,
        STATE_DIR: state,
        VERIFIER_SOCKET: join(state, 'run/verifier.sock'),
        BCRYPT_THREADS: '1',
      };
      let sidecar: ChildProcess | undefined;
      let nginx: Awaited<ReturnType<typeof operator.start>> | undefined;
      try {
        const printed = run(
          bin('keygate'),
          [
            'install',
            operator.keygateDir,
            '--nginx',
            operator.program,
            '--module',
            operator.module,
            '--engine',
            variant.engine,
            '--decision',
            `unix:${operator.dir}/decision.sock`,
          ],
          { env },
        );
        operator.configure(linesIn(printed));
        editSettings(operator.keygateDir, {
          api_keys_file: join(state, 'keys/api_keys.txt'),
          state_dir: state,
          sidecar: `unix:${env.VERIFIER_SOCKET}`,
        });
        expect(operator.test().code).toBe(0);
        const made = run(bin('keygate'), ['key', 'new', 'alice', '--bcrypt', '--json'], { cwd: work, env });
        const { key } = JSON.parse(made) as { key: string };
        sidecar = spawn(bin('keygate-verifier'), [], { env, stdio: 'ignore' });
        nginx = await operator.start();
        const headers = { authorization: `Bearer ${key}` };
        const soon = { timeout: 20000, interval: 100 };
        await vi.waitFor(async () => expect((await send(operator.url, '/api/x', { headers })).status).toBe(200), soon);
        expect((await send(operator.url, '/api/x')).status).toBe(401);
        expect(
          run(bin('keygate'), [
            'install',
            operator.keygateDir,
            '--check',
            '--nginx',
            operator.program,
            '--module',
            operator.module,
            '--engine',
            variant.engine,
          ]),
        ).toContain('ships it');
        expect(
          readFileSync(join(operator.keygateDir, 'keygate.js'), 'utf8').startsWith('const { keygate_js_is_for'),
        ).toBe(variant.engine === 'qjs');
      } finally {
        await nginx?.stop();
        sidecar?.kill('SIGKILL');
        await upstream.close();
        operator.remove();
      }
    },
  );
});
