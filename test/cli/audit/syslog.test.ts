// An operator who collects syslog, with a `logger` that records, fails or hangs in the place of the system's.

import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { tellSyslog } from '../../../cli/audit/syslog.js';

let dir = '';
let socket = '';
let server: Server;
let warnings: string[] = [];

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'keygate-syslog-'));
  socket = join(dir, 'log');
  mkdirSync(join(dir, 'bin'));
  server = createServer();
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  warnings = [];
  vi.spyOn(console, 'error').mockImplementation((line: string) => warnings.push(line));
  vi.stubEnv('PATH', `${join(dir, 'bin')}:${process.env['PATH']}`);
  vi.stubEnv('API_KEYS', 'some-secret-key');
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  server.close();
  rmSync(dir, { recursive: true, force: true });
});

function putLogger(script: string): void {
  const path = join(dir, 'bin', 'logger');
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
}

const recording = () => putLogger(`echo "$@" > ${dir}/arguments; cat > ${dir}/input; env > ${dir}/environment`);
const recorded = (name: string) => readFileSync(join(dir, name), 'utf8');

describe('tellSyslog', () => {
  it('gives all lines to one logger, and no setting of the gateway', () => {
    recording();
    tellSyslog(['{"a":1}\n', '{"b":2}\n'], socket);
    expect(recorded('arguments')).toBe('-t keygate -p auth.notice --socket-errors=on\n');
    expect(recorded('input')).toBe('{"a":1}\n{"b":2}\n');
    expect(recorded('environment')).not.toContain('some-secret-key');
    expect(warnings).toEqual([]);
  });

  it('asks logger not to cut a long line', () => {
    recording();
    tellSyslog([`"${'x'.repeat(2000)}"\n`], socket);
    expect(recorded('arguments')).toContain('--size 32KiB');
  });

  it('leaves the options out that the logger of BusyBox does not know', () => {
    putLogger(`case "$*" in *--*) echo "logger: unrecognized option: $5" >&2; exit 1; esac; cat > ${dir}/input`);
    tellSyslog(['{}\n'], socket);
    expect(recorded('input')).toBe('{}\n');
    expect(warnings).toEqual([]);
  });

  it.each([
    ['there is no syslog', () => rmSync(socket)],
    ['a file stands in the place of the socket', () => (rmSync(socket), writeFileSync(socket, ''))],
  ])('runs no logger where %s', (_, change) => {
    recording();
    change();
    tellSyslog(['{}\n'], socket);
    expect(existsSync(join(dir, 'arguments'))).toBe(false);
    expect(warnings).toEqual([]);
  });

  it('goes on and warns where this user may not run logger', () => {
    vi.stubEnv('PATH', join(dir, 'bin'));
    mkdirSync(join(dir, 'bin', 'logger'));
    tellSyslog(['{}\n'], socket);
    expect(warnings).toEqual([expect.stringContaining('syslog: not written (EACCES)')]);
  });

  it('says nothing where there is no logger', () => {
    vi.stubEnv('PATH', join(dir, 'bin'));
    tellSyslog(['{}\n'], socket);
    expect(warnings).toEqual([]);
  });

  it.each([
    [
      'fails',
      'cat > /dev/null; printf "socket /dev/log: \\033[31mrefused\\n" >&2; exit 1',
      'socket /dev/log: [31mrefused',
    ],
    ['fails without a word', 'cat > /dev/null; exit 3', 'logger ended with 3'],
    ['hangs', 'exec sleep 60', 'logger has not ended within 2 s'],
    ['leaves a process behind that hangs', 'sleep 20 & wait', 'logger has not ended within 2 s'],
  ])('goes on and warns in one line when logger %s', (_, script, why) => {
    putLogger(script);
    tellSyslog(['{}\n'], socket);
    expect(warnings).toEqual([
      `keygate: warning: syslog: not written (${why}): the change is made; try \`logger test\``,
    ]);
  });
});
