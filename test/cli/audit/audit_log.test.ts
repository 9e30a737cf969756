// An operator whose disk is full, an attacker who owns STATE_DIR and puts other things in the log's place.

import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { auditLogPath, writeAudit } from '../../../cli/audit/audit_log.js';
import type { AdminChange, AdminChanges } from '../../../cli/audit/admin_events.js';

let dir = '';
let stateDir = '';
let log = '';
let warnings: string[] = [];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'keygate-audit-'));
  stateDir = join(dir, 'state');
  log = auditLogPath(stateDir);
  warnings = [];
  vi.spyOn(console, 'error').mockImplementation((line: string) => warnings.push(line));
});

afterEach(() => {
  vi.restoreAllMocks();
  rmSync(dir, { recursive: true, force: true });
});

const revokeJti = (jti: string): AdminChange => ({ event: 'token_revoke', jti, file: '/denied.txt' });
const jtisIn = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { jti: string }).jti);

describe('writeAudit', () => {
  it('appends a line for each change, and makes STATE_DIR', () => {
    expect(writeAudit(stateDir, [revokeJti('1'), revokeJti('2')])).toBe(true);
    expect(writeAudit(stateDir, [revokeJti('3')])).toBe(true);
    expect(jtisIn(readFileSync(log, 'utf8'))).toEqual(['1', '2', '3']);
    expect(warnings).toEqual([]);
  });

  it('makes the file with mode 0640 whatever the umask, and keeps the mode of one that is there', () => {
    for (const umask of [0o077, 0]) {
      const before = process.umask(umask);
      writeAudit(stateDir, [revokeJti('1')]);
      process.umask(before);
      expect(statSync(log).mode & 0o777).toBe(0o640);
      rmSync(log);
    }
    writeFileSync(log, '');
    chmodSync(log, 0o600);
    writeAudit(stateDir, [revokeJti('1')]);
    expect(statSync(log).mode & 0o777).toBe(0o600);
  });

  it.runIf(process.getuid?.() === 0)('makes the file for the owner of STATE_DIR, who runs the command too', () => {
    mkdirSync(stateDir);
    chownSync(stateDir, 1234, 4321);
    writeAudit(stateDir, [revokeJti('1')]);
    expect(statSync(log)).toMatchObject({ uid: 1234, gid: 4321 });
  });

  it.each([
    ['a symlink to a file', () => symlinkSync(join(dir, 'victim'), log), 'ELOOP'],
    ['a symlink that leads nowhere', () => symlinkSync(join(dir, 'nothing'), log), 'ELOOP'],
    ['a FIFO', () => execFileSync('mkfifo', [log]), 'not a regular file'],
    ['a directory', () => mkdirSync(log), 'EISDIR'],
  ])('leaves %s in its place as it is, and says so in one line', (_, make, why) => {
    mkdirSync(stateDir);
    writeFileSync(join(dir, 'victim'), 'as before');
    make();
    const { ino } = lstatSync(log);
    expect(writeAudit(stateDir, [revokeJti('1')])).toBe(false);
    expect(warnings).toEqual([
      `keygate: warning: ${log}: not written (${why}): the change is made, and has no line there; ` +
        'put a regular file there, or nothing: keygate makes the file',
    ]);
    expect(lstatSync(log).ino).toBe(ino);
    expect(readFileSync(join(dir, 'victim'), 'utf8')).toBe('as before');
    expect(readdirSync(dir).sort()).toEqual(['state', 'victim']);
  });

  it('begins on a line of its own where a full disk has left a part of a line', () => {
    writeAudit(stateDir, [revokeJti('1')]);
    writeFileSync(log, '{"time":"2026-', { flag: 'a' });
    writeAudit(stateDir, [revokeJti('2')]);
    const lines = readFileSync(log, 'utf8').split('\n');
    expect(lines[1]).toBe('{"time":"2026-');
    expect(jtisIn(lines[2] ?? '')).toEqual(['2']);
  });

  it('writes to syslog alone for a gateway that is not on this machine', () => {
    expect(writeAudit(undefined, [revokeJti('1')])).toBe(false);
    expect(warnings).toEqual([]);
    expect(readdirSync(dir)).toEqual([]);
  });

  it('writes 10,000 lines for a revocation of as many keys', () => {
    const changes = Array.from({ length: 10000 }, (_, i) => revokeJti(`${i}`));
    expect(writeAudit(stateDir, changes as AdminChanges)).toBe(true);
    expect(jtisIn(readFileSync(log, 'utf8'))).toHaveLength(10000);
  });
});
