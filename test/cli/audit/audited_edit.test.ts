// An auditor who asks later who changed what: the built command, and the lines that each of its changes leaves.

import { spawn, spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { adminEvents } from '../../../cli/audit/admin_events.js';
import { nodePlatform } from '../../../node/crypto.js';

const program = join(import.meta.dirname, '../../../dist/keygate_command.js');
let dir = '';
let log = '';
let keysFile = '';
let deniedFile = '';

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'keygate-audited-'));
  log = join(dir, 'state', 'audit.log');
  keysFile = join(dir, 'state', 'keys', 'api_keys.txt');
  deniedFile = join(dir, 'state', 'keys', 'denied.txt');
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

const environment = () => ({ ...process.env, STATE_DIR: join(dir, 'state') });

/** @param shell how a shell becomes the command */
function keygate(args: string[], shell = 'exec') {
  const ran = spawnSync('sh', ['-c', `${shell} "$@"`, 'sh', process.execPath, program, ...args], {
    cwd: dir,
    env: environment(),
    encoding: 'utf8',
  });
  return { code: ran.status, out: ran.stdout, err: ran.stderr };
}

const asUser = (uid: number) => `exec setpriv --reuid=${uid} --regid=${uid} --clear-groups`;

type Line = { [name: string]: unknown } & { event: keyof typeof adminEvents };
const whoAndWhen = ['time', 'uid', 'login', 'sudo_uid', 'sudo_user'];

/** The lines, without who and when, which each line must have. */
function lines(): Line[] {
  if (!existsSync(log)) return [];
  const all = readFileSync(log, 'utf8').trimEnd().split('\n');
  return all.map((one) => {
    const line = JSON.parse(one) as Line;
    expect(line).toMatchObject({ uid: process.getuid?.(), login: userInfo().username });
    expect(Math.abs(Date.parse(line['time'] as string) - Date.now())).toBeLessThan(60000);
    for (const name of adminEvents[line.event]) if (name !== 'attributes') expect(line).toHaveProperty(name);
    return Object.fromEntries(Object.entries(line).filter(([name]) => !whoAndWhen.includes(name))) as Line;
  });
}

function writeKeys(text: string): void {
  mkdirSync(join(dir, 'state', 'keys'), { recursive: true });
  writeFileSync(keysFile, text);
}

describe('a change of API keys', () => {
  it('is a line that names the new key and its attributes, and never the key', () => {
    const ran = keygate(['--json', 'key', 'new', 'alice', '--expires', '2099-01-31', '--scope', 'models, chat']);
    const { key, id, audited } = JSON.parse(ran.out) as { key: string; id: string; audited: boolean };
    const attributes = { expires: '2099-01-31', scope: 'models,chat' };
    expect(lines()).toEqual([
      { event: 'key_new', subject: 'alice', key_id: id, kind: 'sha256', file: keysFile, ...attributes },
    ]);
    expect(audited).toBe(true);
    expect(readFileSync(log, 'utf8')).not.toContain(key.slice(-43));
    expect(readFileSync(log, 'utf8')).not.toContain(nodePlatform.sha256(key));
  });

  it('names the demo key too, where a new key takes it out', () => {
    writeKeys(
      '# The demo key that npm start made. `keygate key new NAME` takes it out; so may you.\n' +
        `demo:$sha256$${nodePlatform.sha256('d')}\ndemo:$sha256$${nodePlatform.sha256('e')} id=Ab3dE6gH\n`,
    );
    keygate(['key', 'new', 'alice', '--bcrypt']);
    const gone = { subject: 'demo', key_id: null, line: 2, usable: true, file: keysFile };
    expect(lines()).toEqual([
      expect.objectContaining({ event: 'key_new', subject: 'alice', kind: 'bcrypt' }),
      { event: 'key_revoke', ...gone },
    ]);
  });

  it('is a line for each key that is revoked, without what stands in lines that can not be used', () => {
    const hash = (key: string) => `$sha256$${nodePlatform.sha256(key)}`;
    writeKeys(`# mine\nalice:${hash('1')} id=Ab3dE6gH\nplain-key\nsecret-part:plain\n`);
    keygate(['key', 'revoke', '--all']);
    const rest = { event: 'key_revoke', file: keysFile };
    expect(lines()).toEqual([
      { ...rest, subject: 'alice', key_id: 'Ab3dE6gH', line: 2, usable: true },
      { ...rest, subject: null, key_id: null, line: 3, usable: true },
      { ...rest, subject: null, key_id: null, line: 4, usable: false },
    ]);
  });
});

describe('a change of tokens and signing keys', () => {
  it('is a line with the jti, whatever the jti holds, and only once', () => {
    const jti = '"}{\u001b[31m\u00e9\u{1f511}\u202e';
    for (let i = 0; i < 2; i++) expect(keygate(['token', 'revoke', jti]).code).toBe(0);
    expect(lines()).toEqual([{ event: 'token_revoke', jti, file: deniedFile }]);
    expect(readFileSync(log, 'utf8')).toMatch(/^[\x20-\x7e]+\n$/);
  });

  it.each(['eyJhbGciOiJSUzI1NiJ9.eyJqdGkiOiIxIn0.c2ln', `kg_Ab3dE6gH_${'s'.repeat(43)}`])(
    'is refused where somebody pastes the credential %s as its jti',
    (jti) => {
      expect(keygate(['token', 'revoke', jti])).toMatchObject({ code: 1, out: '' });
      expect([existsSync(log), existsSync(deniedFile)]).toEqual([false, false]);
    },
  );

  it('is a line with the kid for each step of a rotation and of a revocation', () => {
    const { kid } = JSON.parse(keygate(['--json', 'jwks', 'rotate', '--now']).out) as { kid: string };
    keygate(['jwks', 'revoke', kid]);
    expect(lines()).toEqual([
      { event: 'jwks_rotate', kid, alg: 'RS256', signs_from: expect.stringMatching(/^2.*Z$/) as string },
      { event: 'jwks_activate', kid },
      { event: 'jwks_revoke', kid, signing_kid: expect.stringMatching(/^[\w-]{43}$/) as string },
      { event: 'jwks_deny', kid, file: deniedFile },
    ]);
  });

  it('is a line for each imported key, and one for the key that signs', () => {
    const make = () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
    const keys = ['one', 'two\u2028'].map((kid) => ({ ...make(), kid }));
    writeFileSync(join(dir, 'keys.json'), JSON.stringify({ keys }));
    expect(keygate(['jwks', 'import', 'keys.json']).code).toBe(0);
    expect(lines()).toEqual([
      { event: 'jwks_import', kid: 'one', alg: 'ES256' },
      { event: 'jwks_import', kid: 'two\u2028', alg: 'ES256' },
      { event: 'jwks_activate', kid: 'one' },
    ]);
    expect(readFileSync(log, 'utf8')).not.toContain(keys[0]?.d);
  });
});

describe('no line', () => {
  it.each([
    [['key', 'list']],
    [['key', 'check']],
    [['jwks', 'list']],
    [['key', 'new', 'a b']],
    [['key', 'revoke', 'nobody']],
    [['jwks', 'revoke', 'nobody']],
    [['token', 'revoke', ' x']],
  ])('comes from %j, which changes nothing', (args) => {
    writeKeys(`alice:$sha256$${nodePlatform.sha256('1')}\n`);
    keygate(args);
    expect(existsSync(log)).toBe(false);
  });
});

it.runIf(process.getuid?.() === 0)('has no login name for a user whom the system does not know', () => {
  chmodSync(dir, 0o777);
  expect(keygate(['token', 'revoke', 'j'], asUser(4242))).toMatchObject({ code: 0, err: '' });
  expect(JSON.parse(readFileSync(log, 'utf8'))).toMatchObject({ uid: 4242, login: null, sudo_uid: null });
});

describe('a line that can not be written', () => {
  it('is told, and the change stays, when the disk is full', () => {
    writeKeys('# mine\n');
    writeFileSync(log, '');
    truncateSync(log, 1048576 - 20);
    const ran = keygate(['--json', 'key', 'new', 'alice'], 'ulimit -f 2048; exec'); // 1 MB
    expect(ran).toMatchObject({ code: 0 });
    expect(JSON.parse(ran.out)).toMatchObject({ name: 'alice', audited: false });
    expect(ran.err).toMatch(
      /^keygate: warning: \S+audit\.log: not written \(only a part fits[^\n]+ free some space\n$/,
    );
    expect(readFileSync(keysFile, 'utf8')).toContain('alice:');
    const again = keygate(['token', 'revoke', 'j'], 'ulimit -f 2048; exec');
    expect(again).toMatchObject({ code: 0, err: expect.stringContaining('not written (EFBIG)') as string });
    expect(readFileSync(deniedFile, 'utf8')).toContain('jti:j\n');
    keygate(['token', 'revoke', 'k']);
    const last = readFileSync(log, 'utf8').trimEnd().split('\n').at(-1) ?? '';
    expect(JSON.parse(last)).toMatchObject({ event: 'token_revoke', jti: 'k' });
  });

  it.runIf(process.getuid?.() === 0)('is told, and the change stays, when the log is another user\u2019s', () => {
    mkdirSync(join(dir, 'state'));
    writeFileSync(log, '');
    chmodSync(log, 0o640);
    for (const path of [dir, join(dir, 'state')]) chmodSync(path, 0o777);
    const ran = keygate(['token', 'revoke', 'j'], asUser(65534));
    expect(ran).toMatchObject({ code: 0, err: expect.stringContaining('not written (EACCES)') as string });
    expect(readFileSync(log, 'utf8')).toBe('');
  });

  it('does not stop a command: a FIFO or a symlink in its place is named', () => {
    mkdirSync(join(dir, 'state'));
    spawnSync('mkfifo', [log]);
    expect(keygate(['token', 'revoke', 'j'])).toMatchObject({ code: 0 });
    rmSync(log);
    symlinkSync(join(dir, 'elsewhere'), log);
    const { code, err } = keygate(['token', 'revoke', 'k']);
    expect({ code, lines: err.split('\n').length }).toEqual({ code: 0, lines: 2 });
    expect(existsSync(join(dir, 'elsewhere'))).toBe(false);
  });
});

it('is a line of its own for each of 16 commands at once', async () => {
  const jtis = Array.from({ length: 16 }, (_, i) => `${i}-${'x'.repeat(900)}`);
  const runs = jtis.map((jti) => {
    const child = spawn(process.execPath, [program, 'token', 'revoke', jti], { cwd: dir, env: environment() });
    return new Promise<number | null>((resolve) => child.once('exit', resolve));
  });
  expect(new Set(await Promise.all(runs))).toEqual(new Set([0]));
  expect(
    lines()
      .map((line) => line['jti'])
      .sort(),
  ).toEqual(jtis.sort());
});
