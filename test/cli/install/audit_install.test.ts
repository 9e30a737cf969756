// An operator who asks later when Keygate's files beside nginx were changed, and by whom.

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { fakeNginx, type FakeNginx } from './fake_nginx.js';
import { runInstall, version } from './run_install.js';

let work = '';
let dir = '';
let stateDir = '';
let nginx: FakeNginx;

beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'keygate-install-audit-'));
  dir = join(work, 'keygate');
  stateDir = join(work, 'state');
  nginx = fakeNginx(work, { njs: '1.0.2', engines: ['qjs', 'njs'], configuration: 'events {}' });
  vi.stubEnv('STATE_DIR', stateDir);
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(work, { recursive: true, force: true });
});

const install = (...args: string[]) =>
  runInstall(work, [dir, '--nginx', nginx.program, '--module', nginx.module, ...args]);
const lines = (folder = stateDir) => {
  const log = join(folder, 'audit.log');
  const text = existsSync(log) ? readFileSync(log, 'utf8').trimEnd() : '';
  return text === '' ? [] : text.split('\n').map((line) => JSON.parse(line) as { event: string; files: string });
};

describe('keygate install', () => {
  it('leaves a line with what it has written, and none where nothing had to be written', () => {
    mkdirSync(stateDir);
    expect(JSON.parse(install('--json').out)).toMatchObject({ audited: true, notes: [] });
    expect(lines()).toEqual([expect.objectContaining({ event: 'install', dir, version, engine: 'qjs' })]);
    expect(lines()[0]?.files.split(' ')).toEqual(expect.arrayContaining(['keygate.js', 'guard.conf', 'settings.conf']));
    install();
    install('--dry-run', '--prefix', '/auth');
    install('--check');
    expect(lines()).toHaveLength(1);
    writeFileSync(join(dir, 'guard.conf'), '# mine\n');
    install();
    expect(lines()[1]).toMatchObject({ event: 'install', files: 'guard.conf' });
  });

  it('takes the STATE_DIR of its settings.conf where the environment names none', () => {
    install();
    vi.stubEnv('STATE_DIR', '');
    const settings = join(dir, 'settings.conf');
    const other = join(work, 'other');
    mkdirSync(other);
    writeFileSync(settings, readFileSync(settings, 'utf8').replace('"/var/lib/keygate"', `"${other}"`));
    writeFileSync(join(dir, 'guard.conf'), '# mine\n');
    install();
    expect(lines(other)).toEqual([expect.objectContaining({ event: 'install', files: 'guard.conf' })]);
    expect(existsSync(join(work, '.keygate'))).toBe(false);
  });

  it('says that there is no line, and makes no STATE_DIR, where this machine has none yet', () => {
    const ran = install();
    expect(ran).toMatchObject({ code: 0, err: '' });
    expect(ran.out).toContain(`note: this change has no line in audit.log: there is no STATE_DIR ${stateDir} here`);
    rmSync(dir, { recursive: true });
    expect(JSON.parse(install('--json').out)).toMatchObject({ audited: false });
    expect(existsSync(stateDir)).toBe(false);
  });

  it('installs all the same where the line can not be written, and warns', () => {
    mkdirSync(join(stateDir, 'audit.log'), { recursive: true });
    const ran = install();
    expect(ran).toMatchObject({ code: 0, err: expect.stringContaining('audit.log: not written (EISDIR)') as string });
    expect(existsSync(join(dir, 'guard.conf'))).toBe(true);
  });
});
