// The systemd unit beside what code, settings.conf and the package say.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { table } from '../../settings/table.js';

const root = join(import.meta.dirname, '../..');
const read = (...path: string[]) => readFileSync(join(root, ...path), 'utf8');
const unit = read('systemd/keygate-verifier.service');
const settingsConf = read('nginx/snippets/settings.conf');
const assignments = (text: string, pattern: RegExp) =>
  Object.fromEntries([...text.matchAll(pattern)].map(([, name, value]) => [name, value])) as { [name: string]: string };

const directives = assignments(unit, /^(\w+)=(.*)$/gm);
const environment = assignments(unit, /^Environment=(\w+)=(.*)$/gm);
const jsVars = assignments(settingsConf, /^js_var \$keygate_(\w+) "(.*?)";/gm);

describe('keygate-verifier.service', () => {
  it('names the places that settings.conf names', () => {
    expect(environment).toEqual({
      STATE_DIR: jsVars['state_dir'],
      API_KEYS_FILE: jsVars['api_keys_file'],
      VERIFIER_SOCKET: jsVars['sidecar']?.replace(/^unix:/, ''),
    });
    expect(settingsConf).toContain(`server unix:${environment['VERIFIER_SOCKET']} max_fails=0;`);
  });

  it('names them in keygate.env too, and only settings that exist', () => {
    const file = read('systemd/keygate.env');
    expect(assignments(file, /^([A-Z_]+)=(.*)$/gm)).toEqual(environment);
    for (const [, name] of file.matchAll(/^#?([A-Z_]+)=/gm)) expect(table).toHaveProperty(name as string);
    expect(directives['EnvironmentFile']).toBe('-/etc/keygate/keygate.env');
  });

  it('starts a program of the package', () => {
    const { bin } = JSON.parse(read('package.json')) as { bin: { [name: string]: string } };
    expect(bin).toHaveProperty(directives['ExecStart'] ?? '', 'dist/verifier.js');
  });

  it('lets the sidecar write its state and its socket, and nothing else', () => {
    const stateDir = environment['STATE_DIR'] as string;
    expect(directives['ProtectSystem']).toBe('strict');
    expect(`/var/lib/${directives['StateDirectory']}`).toBe(`${stateDir}/signing`);
    expect(directives['StateDirectoryMode']).toBe('0700');
    expect(directives['ReadWritePaths']).toBe(`${stateDir}/public`);
    expect(directives['ExecStartPre']).toContain(`chmod 2750 ${stateDir}/public`);
    expect(`/run/${directives['RuntimeDirectory']}/verifier.sock`).toBe(environment['VERIFIER_SOCKET']);
    expect(directives['RuntimeDirectoryMode']).toBe('0750');
  });

  it.each([
    ['DynamicUser', 'yes'],
    ['Group', 'keygate'],
    ['NoNewPrivileges', 'yes'],
    ['CapabilityBoundingSet', ''],
    ['RestrictAddressFamilies', 'AF_UNIX'],
    ['PrivateNetwork', 'yes'],
    ['PrivateDevices', 'yes'],
    ['ProtectProc', 'invisible'],
    ['ProtectHome', 'yes'],
    ['LimitCORE', '0'],
  ])('has %s=%s', (name, value) => {
    expect(directives[name]).toBe(value);
  });
});
