// Which bundle an installation gets, and which guard it may not have.

import { describe, expect, it } from 'vitest';
import type { InstalledNginx } from '../../../nginx/runtime/installed_nginx.js';
import { readConfiguration } from '../../../nginx/configuration/configuration.js';
import { readOperatorConfig } from '../../../nginx/configuration/operator_config.js';
import { chooseEngine, checkAccessGuard } from '../../../cli/install/install_choice.js';

const nginx: InstalledNginx = {
  name: 'yours',
  command: ['nginx'],
  modulePath: '/m.so',
  nginxVersion: '1.30.6',
  njsVersion: '1.0.2',
  hasTls: true,
  engines: ['qjs', 'njs'],
  configuration: '',
  configurationFault: '',
};
const debian13: InstalledNginx = { ...nginx, njsVersion: '0.8.9', engines: ['njs'] };

describe('chooseEngine', () => {
  it('takes the best engine that this njs has', () => {
    expect(chooseEngine('auto', nginx)).toEqual({ engine: 'qjs', reason: 'engine qjs: the best that this njs has' });
    expect(chooseEngine('auto', debian13)).toMatchObject({ engine: 'njs' });
  });

  it('takes the engine that was asked for', () => {
    expect(chooseEngine('njs', nginx)).toEqual({ engine: 'njs', reason: 'engine njs: asked for' });
    expect(chooseEngine('qjs', nginx)).toMatchObject({ engine: 'qjs' });
  });

  it('refuses an engine that this njs does not have', () => {
    expect(() => chooseEngine('qjs', debian13)).toThrow('njs 0.8.9 of this nginx has no engine qjs');
  });
});

describe('checkAccessGuard', () => {
  const guarded = readOperatorConfig(
    readConfiguration('http { server { location / { js_access keygate.access; } } }', '/k'),
  );

  it.each(['0.9.9', '1.0.0'])('names js_access on njs %s, which can be bypassed', (njsVersion) => {
    const found = checkAccessGuard({ ...nginx, njsVersion }, guarded);
    expect(found).toMatch(/guard_access\.conf.*CVE-2026-18329.*include guard_location\.conf instead/);
    expect(found).toContain(`njs ${njsVersion}`);
  });

  it('finds nothing where js_access holds, is not used, or the configuration is not known', () => {
    expect(checkAccessGuard(nginx, guarded)).toBeUndefined();
    expect(checkAccessGuard(debian13, readOperatorConfig(readConfiguration('http { }', '/k')))).toBeUndefined();
    expect(checkAccessGuard(debian13, undefined)).toBeUndefined();
  });
});
