// The admin command as a person at a shell runs it: the built program, in a folder of its own.

import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateKeyPairSync } from 'node:crypto';
import { verifySync } from '@node-rs/bcrypt';
import { beforeEach, describe, expect, it } from 'vitest';
import { parseKeyFile } from '../../auth/key_file.js';
import { nodePlatform } from '../../node/crypto.js';

const program = join(import.meta.dirname, '../../dist/keygate_command.js');
let dir = '';
let keysFile = '';

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'keygate-cli-'));
  keysFile = join(dir, 'state', 'keys', 'api_keys.txt');
});

interface Ran {
  code: number | null;
  out: string;
  err: string;
}

const environment = () => ({ ...process.env, STATE_DIR: join(dir, 'state') });

function keygate(args: string[], input = ''): Ran {
  const ran = spawnSync(process.execPath, [program, ...args], {
    cwd: dir,
    env: environment(),
    input,
    encoding: 'utf8',
  });
  return { code: ran.status, out: ran.stdout, err: ran.stderr };
}

function writeKeys(text: string): void {
  mkdirSync(join(dir, 'state', 'keys'), { recursive: true });
  writeFileSync(keysFile, text);
}

const entries = () => parseKeyFile(readFileSync(keysFile, 'utf8'), nodePlatform).entries;

describe('keygate key', () => {
  it('new prints a key once and adds the line that admits it', () => {
    const ran = keygate(['key', 'new', 'alice', '--expires', '2099-01-31', '--scope', 'models,chat', '--json']);
    const { key, id } = JSON.parse(ran.out) as { key: string; id: string };
    expect(ran.code).toBe(0);
    expect(key).toMatch(/^kg_[0-9A-Za-z]{8}_[0-9A-Za-z]{43}$/);
    expect(entries()).toEqual([
      expect.objectContaining({
        name: 'alice',
        kind: 'sha256',
        id,
        hash: nodePlatform.sha256(key),
        scopes: ['models', 'chat'],
      }),
    ]);
    expect(readFileSync(keysFile, 'utf8')).not.toContain(key);
    expect(ran.out + ran.err).toContain('not running');
  });

  it('new --bcrypt stores a bcrypt hash of the key', () => {
    const { key } = JSON.parse(keygate(['key', 'new', 'bob', '--bcrypt', '--json']).out) as { key: string };
    const [entry] = entries();
    expect(entry?.hash).toMatch(/^\$2b\$12\$/);
    expect(verifySync(key, entry?.hash ?? '')).toBe(true);
  });

  it('new keeps every other line, mode included, and takes the demo key out', () => {
    const demo =
      `# The demo key that npm start made. \`keygate key new NAME\` takes it out; so may ` +
      `you.\ndemo:$sha256$${nodePlatform.sha256('d')}`;
    writeKeys(`# mine\r\n${demo}\nold-key`);
    chmodSync(keysFile, 0o604);
    expect(keygate(['key', 'new', 'alice']).out).toContain('The demo key was taken out.');
    const lines = readFileSync(keysFile, 'utf8').split('\n');
    expect(lines.slice(0, 2)).toEqual(['# mine\r', 'old-key']);
    expect(lines[2]).toMatch(/^alice:\$sha256\$/);
    expect(statSync(keysFile).mode & 0o777).toBe(0o604);
  });

  it('new makes the file with mode 0640', () => {
    keygate(['key', 'new', 'alice']);
    expect(statSync(keysFile).mode & 0o777).toBe(0o640);
  });

  it('new --rate --burst writes a limit, which list shows and check takes', () => {
    expect(keygate(['key', 'new', 'alice', '--rate', '90r/h', '--burst', '20']).code).toBe(0);
    expect(entries()[0]).toMatchObject({ name: 'alice', limit: { intervalMs: 40000, burst: 20 } });
    expect(keygate(['key', 'list']).out).toContain('rate=90r/h burst=20');
    expect(keygate(['key', 'check']).code).toBe(0);
    writeFileSync(keysFile, readFileSync(keysFile, 'utf8').replace('rate=90r/h', 'rate=fast'));
    const checked = keygate(['key', 'check']);
    expect(checked.code).toBe(1);
    expect(checked.out + checked.err).toContain('rate= expects a rate such as 60/m');
  });

  it.each([
    [['key', 'new', 'alice', '--rate', '60'], 'rate= expects a rate such as 60/m'],
    [['key', 'new', 'alice', '--rate', '0/m'], 'rate= expects a rate such as 60/m'],
    [['key', 'new', 'alice', '--rate', '1/d', '--burst', '400'], 'burst= is more than the rate= gives in a year'],
    [['key', 'new', 'alice', '--rate', '1/d', '--burst', '1.5'], 'burst= expects a whole number'],
    [['key', 'new', 'alice', '--burst', '5'], 'burst= expects rate= beside it'],
    [['key', 'new', 'a b'], 'the name may have'],
    [['key', 'new', 'a:b'], 'the name may have'],
    [['key', 'new', 'alice', '--expires', 'soon'], 'expires= expects a date'],
    [['key', 'new', 'alice', '--expires', '2026-01-31'], '--expires 2026-01-31 has passed'],
    [['key', 'new', 'alice', '--scope', 'a"b'], 'scope= expects names'],
  ])('%j fails with 1 and changes nothing', (args, message) => {
    writeKeys('old-key\n');
    const ran = keygate(args);
    expect(ran.code).toBe(1);
    expect(ran.err).toContain(message);
    expect(readFileSync(keysFile, 'utf8')).toBe('old-key\n');
    expect(existsSync(`${keysFile}.lock`)).toBe(false);
  });

  it('loses no line when 12 run at once', async () => {
    const runs = Array.from({ length: 12 }, (_, i) => {
      const child = spawn(process.execPath, [program, 'key', 'new', `user${i}`], {
        cwd: dir,
        env: environment(),
      });
      return new Promise<number | null>((resolve) => child.once('exit', resolve));
    });
    expect(await Promise.all(runs)).toEqual(Array.from({ length: 12 }, () => 0));
    expect(new Set(entries().map((entry) => entry.name)).size).toBe(12);
  });

  it('hash reads the key from standard input and never from arguments', () => {
    expect(keygate(['key', 'hash'], 'some-key\n').out.trim()).toBe(`$sha256$${nodePlatform.sha256('some-key')}`);
    const hashed = keygate(['key', 'hash', '--bcrypt'], 'some-key').out.trim();
    expect(verifySync('some-key', hashed)).toBe(true);
    expect(keygate(['key', 'hash', 'some-key']).code).toBe(2);
    expect(keygate(['key', 'hash'], '').code).toBe(1);
  });

  it.each([
    ['of 73 bytes', 'k'.repeat(73), ['--bcrypt']],
    ['with a NUL', 'a\0b', []],
    ['with a space', 'a b', []],
    ['with two dots', 'a.b.c', []],
  ])('hash refuses a key %s', (_, key, options) => {
    expect(keygate(['key', 'hash', ...options], key).code).toBe(1);
  });

  it('list shows everything but hashes', () => {
    writeKeys(`alice:$sha256$${nodePlatform.sha256('x')} scope=a expires=2020-01-01 rate=60/m\nplain-key\n`);
    const ran = keygate(['key', 'list']);
    expect(ran.out).toMatch(
      /^line 1 {2}alice {2}sha256 {2}- {2}a {2}rate=60\/m burst=0 {2}2020-01-01T00:00:00.000Z \(expired\)$/m,
    );
    expect(ran.out).not.toContain(nodePlatform.sha256('x'));
    expect(ran.out).not.toContain('plain-key');
    expect(JSON.parse(keygate(['--json', 'key', 'list']).out)).toMatchObject({
      keys: [{ name: 'alice' }, { name: null }],
    });
  });

  it('revoke takes out all lines of a name, and --all every key', () => {
    const line = (name: string, key: string) => `${name}:$sha256$${nodePlatform.sha256(key)}\n`;
    writeKeys(`# c\n${line('a', '1')}${line('b', '2')}${line('a', '3')}`);
    expect(keygate(['key', 'revoke', 'a']).out).toContain('2 revoked.');
    expect(entries().map((entry) => entry.name)).toEqual(['b']);
    expect(keygate(['key', 'revoke', 'a']).code).toBe(1);
    expect(keygate(['key', 'revoke']).code).toBe(2);
    expect(keygate(['key', 'revoke', 'b', '--all']).code).toBe(2);
    expect(keygate(['key', 'revoke', '--all']).code).toBe(0);
    expect(readFileSync(keysFile, 'utf8')).toBe('# c\n');
  });

  it('check reports lines that are not used, with exit code 1', () => {
    writeKeys('good-key\nname:plain\n');
    const ran = keygate(['key', 'check']);
    expect(ran.code).toBe(1);
    expect(ran.out).toContain(`${keysFile}:2: not used: `);
    expect(ran.out).toContain('1 usable, 1 not used');
    writeKeys(`a:$sha256$${nodePlatform.sha256('x')}\n`);
    expect(keygate(['key', 'check']).code).toBe(0);
  });

  it('check says what is wrong with a file as a whole', () => {
    writeKeys('');
    expect(keygate(['key', 'check'])).toMatchObject({ code: 1, out: expect.stringContaining('zero bytes') as string });
    writeFileSync(keysFile, Buffer.alloc(4096));
    expect(keygate(['key', 'check'])).toMatchObject({ code: 1, out: expect.stringContaining('NUL bytes') as string });
    expect(JSON.parse(keygate(['--json', 'key', 'check']).out)).toMatchObject({
      usable: 0,
      fault: expect.stringContaining('NUL') as string,
    });
    expect(keygate(['key', 'new', 'alice'])).toMatchObject({ code: 1, out: '' });
    expect(readFileSync(keysFile)).toEqual(Buffer.alloc(4096));
    writeFileSync(keysFile, '# nobody\n');
    expect(keygate(['key', 'check']).code).toBe(0);
  });

  it.each([
    ['a FIFO', () => execFileSync('mkfifo', [keysFile]), 'not a regular file'],
    ['a directory', () => mkdirSync(keysFile), 'not a regular file'],
    ['a device', () => symlinkSync('/dev/zero', keysFile), 'not a regular file'],
    ['a symlink to itself', () => symlinkSync(keysFile, keysFile), 'ELOOP'],
    ['missing', () => undefined, 'there is no key file'],
  ])(
    'every command ends with 1 and says why when the key file is %s',
    (what, make, why) => {
      writeKeys('');
      rmSync(keysFile);
      make();
      const commands = [['check'], ['list'], ['revoke', 'alice'], ['revoke', '--all'], ['new', 'alice']];
      for (const command of what === 'missing' ? commands.slice(0, 4) : commands) {
        const ran = keygate(['key', ...command]);
        expect(ran, command.join(' ')).toMatchObject({ code: 1, out: '', err: expect.stringContaining(why) as string });
      }
    },
    60000,
  );

  it('new ends its line as the others end, and says how many keys the name has', () => {
    writeKeys(`alice:$sha256$${nodePlatform.sha256('x')}\r\nold-key`);
    expect(keygate(['key', 'new', 'alice']).out).toContain('alice has 2 keys now');
    expect(readFileSync(keysFile, 'utf8')).toMatch(/^alice:\S+\r\nold-key\r\nalice:\S+ id=\w{8}\r\n$/);
    expect(entries().map((entry) => entry.name)).toEqual(['alice', '', 'alice']);
  });

  it('revoke leaves no line that lets the same key in again, and says where else it stands', () => {
    const hash = `$sha256$${nodePlatform.sha256('key-1')}`;
    writeKeys(`alice:${hash}\nbob:$sha256$${nodePlatform.sha256('key-2')}\nbob:${hash}\nalice:plain\n`);
    const ran = spawnSync(process.execPath, [program, '--json', 'key', 'revoke', 'alice'], {
      env: { ...environment(), API_KEYS: 'key-0,key-1' },
      encoding: 'utf8',
    });
    expect(JSON.parse(ran.stdout)).toMatchObject({ revoked: 2, unusable: 1, inEnvironment: true });
    expect(entries().map((entry) => [entry.name, entry.hash])).toEqual([['bob', nodePlatform.sha256('key-2')]]);
  });

  it('leaves the key file as it was when the disk is full', () => {
    writeKeys(`# ${'x'.repeat(9000)}\n`);
    const before = readFileSync(keysFile, 'utf8');
    const small = `ulimit -f 16; exec ${process.execPath} ${program} key new alice`; // 8 KB
    const ran = spawnSync('sh', ['-c', small], { cwd: dir, env: environment(), encoding: 'utf8' });
    expect(ran.status).toBe(1);
    expect(ran.stderr).toContain(`can't replace ${keysFile} (EFBIG)`);
    expect(readFileSync(keysFile, 'utf8')).toBe(before);
  });

  it('takes over a lock whose process is gone', () => {
    writeKeys('');
    writeFileSync(`${keysFile}.lock`, `999999999 1 ${hostname()} x`);
    expect(keygate(['key', 'new', 'alice']).code).toBe(0);
  });

  it('respects a lock of another container, whose processes it does not see', async () => {
    writeKeys('');
    writeFileSync(`${keysFile}.lock`, '999999999 1 another-container x');
    const child = spawn(process.execPath, [program, 'key', 'new', 'alice'], { cwd: dir, env: environment() });
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(entries()).toEqual([]);
    rmSync(`${keysFile}.lock`);
    expect(await new Promise((resolve) => child.once('exit', resolve))).toBe(0);
    expect(entries()).toHaveLength(1);
  });
});

describe('keygate jwks', () => {
  interface Listed {
    keys: { kid: string; state: string; alg: string }[];
  }
  const list = () => (JSON.parse(keygate(['--json', 'jwks', 'list']).out) as Listed).keys;
  const published = () =>
    JSON.parse(readFileSync(join(dir, 'state', 'public', 'jwks.json'), 'utf8')) as {
      keys: { kid: string; d?: string }[];
    };

  it('rotate publishes a key that does not sign yet; with --now it signs, and the old one verifies on', () => {
    expect(keygate(['jwks', 'rotate', '--now']).code).toBe(0);
    expect(keygate(['jwks', 'rotate']).code).toBe(0);
    expect(list().map((key) => key.state)).toEqual(['active', 'next']);
    expect(keygate(['jwks', 'rotate', '--now']).code).toBe(0);
    expect(
      list()
        .map((key) => key.state)
        .sort(),
    ).toEqual(['active', 'next', 'retired']);
    expect(
      published()
        .keys.map((key) => key.kid)
        .sort(),
    ).toEqual(
      list()
        .map((key) => key.kid)
        .sort(),
    );
    expect(JSON.stringify(published())).not.toContain('"d"');
    expect(statSync(join(dir, 'state', 'signing', 'signing_keys.json')).mode & 0o777).toBe(0o600);
  });

  it('revoke takes a key out, lets another sign and puts its kid on the deny list', () => {
    keygate(['jwks', 'rotate', '--now']);
    const [first] = list();
    expect(keygate(['jwks', 'revoke', first?.kid ?? '']).code).toBe(0);
    expect(list()).toEqual([expect.objectContaining({ state: 'active' })]);
    expect(list()[0]?.kid).not.toBe(first?.kid);
    expect(readFileSync(join(dir, 'state', 'keys', 'denied.txt'), 'utf8')).toContain(`kid:${first?.kid}\n`);
    expect(keygate(['jwks', 'revoke', 'nobody']).code).toBe(1);
    expect(keygate(['jwks', 'revoke', '-nobody']).code).toBe(1);
  });

  it('import lets a private JWK sign and refuses a public one', () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const file = join(dir, 'key.json');
    writeFileSync(file, JSON.stringify({ keys: [{ ...privateKey.export({ format: 'jwk' }), kid: 'mine' }] }));
    expect(keygate(['jwks', 'import', file]).code).toBe(0);
    expect(list()).toEqual([expect.objectContaining({ kid: 'mine', alg: 'ES256', state: 'active' })]);
    writeFileSync(file, JSON.stringify(publicKey.export({ format: 'jwk' })));
    expect(keygate(['jwks', 'import', file])).toMatchObject({ code: 1 });
  });
});

describe('keygate token', () => {
  it('revoke adds a jti to the deny list once', () => {
    for (let i = 0; i < 2; i++) expect(keygate(['token', 'revoke', 'jti-1']).code).toBe(0);
    const text = readFileSync(join(dir, 'state', 'keys', 'denied.txt'), 'utf8');
    expect(text.match(/^jti:jti-1$/gm)).toHaveLength(1);
    expect(keygate(['token', 'revoke', '-jti-2', '--json']).code).toBe(0);
    expect(readFileSync(join(dir, 'state', 'keys', 'denied.txt'), 'utf8')).toContain('jti:-jti-2\n');
    expect(keygate(['token', 'revoke', 'a\nkid:b']).code).toBe(1);
  });

  it('inspect says claim by claim what the gate would say', () => {
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const token = `${encode({ alg: 'RS256', kid: 'k' })}.${encode({ sub: 'a', exp: 1, aud: ['x'] })}.AAAA`;
    const ran = keygate(['token', 'inspect'], `Bearer ${token}\n`);
    expect(ran.code).toBe(1);
    expect(ran.out).toMatch(/^exp: 1 {2}1970-01-01T00:00:01.000Z, \d+ s ago$/m);
    expect(ran.out).toMatch(/^REFUSED: token_unknown_kid: /m);
    expect(keygate(['token', 'inspect'], 'nonsense').out).toContain('REFUSED: token_not_three_parts');
  });
});

describe('keygate', () => {
  it.each([[], ['key'], ['key', 'new'], ['nonsense'], ['key', 'new', 'a', '--nonsense']])(
    'ends with 2 for %j',
    (...args) => {
      expect(keygate(args).code).toBe(2);
    },
  );

  it.each([
    ['--help'],
    ['key', '--help'],
    ['key', 'new', '--help'],
    ['jwks', 'rotate', '--help'],
    ['token', 'inspect', '--help'],
    ['install', '--help'],
  ])('ends with 0 and helps for %s %s %s', (...args) => {
    const ran = keygate(args);
    expect(ran.code).toBe(0);
    expect(ran.out).toContain('Usage: keygate');
  });

  it('reads settings from the file of --settings, and says so when it can not', () => {
    const file = join(dir, 'keygate.env');
    writeFileSync(file, `API_KEYS_FILE=${dir}/elsewhere/keys.txt\n`);
    expect(keygate(['--settings', file, 'key', 'new', 'alice']).out).toContain(`${dir}/elsewhere/keys.txt`);
    expect(existsSync(join(dir, 'elsewhere', 'keys.txt'))).toBe(true);
    const ran = keygate(['key', 'list', '--settings', join(dir, 'nothing')]);
    expect(ran).toMatchObject({ code: 1, err: `keygate: can't read ${dir}/nothing (ENOENT)\n` });
  });

  it('says which settings are wrong', () => {
    const ran = spawnSync(process.execPath, [program, 'key', 'list'], {
      env: { ...environment(), JWT_LEEWAY: 'x' },
      encoding: 'utf8',
    });
    expect(ran.status).toBe(1);
    expect(ran.stderr).toContain('JWT_LEEWAY: expected');
  });
});
