// An auditor who reads the log by program, and an attacker who chooses names to forge lines of it.

import { userInfo } from 'node:os';
import { describe, expect, it } from 'vitest';
import type { AdminChange } from '../../../cli/audit/admin_events.js';
import { findActor, formatAuditLine, type Actor } from '../../../cli/audit/audit_line.js';

const actor: Actor = { uid: 1000, login: 'alice', sudo_uid: null, sudo_user: null };
const time = new Date('2026-11-28T03:00:00.123Z');
const revokeJti = (jti: string): AdminChange => ({ event: 'token_revoke', jti, file: '/denied.txt' });
const readLine = (line: string) => JSON.parse(line) as { [name: string]: unknown };

describe('formatAuditLine', () => {
  it('says when, what, who and which', () => {
    expect(formatAuditLine(revokeJti('j'), actor, time)).toBe(
      '{"time":"2026-11-28T03:00:00.123Z","event":"token_revoke","uid":1000,"login":"alice","sudo_uid":null,' +
        '"sudo_user":null,"jti":"j","file":"/denied.txt"}\n',
    );
  });

  it('has the attributes of a new key as fields of their own', () => {
    const attributes = { expires: '2099-01-31', scope: 'a,b' };
    const change: AdminChange = {
      event: 'key_new',
      subject: 'bob',
      key_id: 'Ab3dE6gH',
      kind: 'sha256',
      attributes,
      file: '/f',
    };
    const line = readLine(formatAuditLine(change, actor, time));
    expect(line).toMatchObject({ subject: 'bob', key_id: 'Ab3dE6gH', ...attributes });
    expect(line).not.toHaveProperty('attributes');
  });

  it.each([
    ['line ends', 'a\r\nb\u0085c\u2028d\u2029e'],
    ['quotes and a second object', '"},{"event":"key_new"}\n{"event":"key_new'],
    ['control characters', '\0\x01\x1b[31m\x7f\x9b'],
    ['text that runs from right to left', 'abc\u202edcba\u2066'],
    ['characters beyond 16 bits', '\u{1f511}'],
  ])('is one line of ASCII that gives back %s', (_, jti) => {
    const line = formatAuditLine(revokeJti(jti), actor, time);
    expect(line).toMatch(/^[\x20-\x7e]+\n$/);
    expect(readLine(line)['jti']).toBe(jti);
  });

  it.each(['\ud83d', '\udd11', 'a\udd11\ud83d'])('replaces a lone surrogate, which strict readers refuse', (jti) => {
    const line = formatAuditLine(revokeJti(jti), { ...actor, login: jti }, time);
    expect(line).not.toMatch(/\\ud[89a-f]/);
    expect(readLine(line)['jti']).toBe(jti.replace(/[\ud800-\udfff]/g, '\ufffd'));
  });

  it('cuts what is longer than 1,024 characters, and leaves no half of a pair', () => {
    const line = readLine(formatAuditLine(revokeJti(`${'x'.repeat(1023)}\u{1f511}${'y'.repeat(9000)}`), actor, time));
    expect(line['jti']).toBe(`${'x'.repeat(1023)}\ufffd`);
  });
});

describe('findActor', () => {
  it('names the user of the process', () => {
    expect(findActor({})).toMatchObject({ uid: process.getuid?.(), login: userInfo().username, sudo_user: null });
  });

  it.runIf(process.getuid?.() === 0)('names who called sudo', () => {
    expect(findActor({ SUDO_UID: '1001', SUDO_USER: 'carol' })).toMatchObject({ sudo_uid: 1001, sudo_user: 'carol' });
    expect(findActor({ SUDO_UID: 'x', SUDO_USER: 'carol' })).toMatchObject({ sudo_uid: null, sudo_user: null });
  });
});
