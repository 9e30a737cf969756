// Which bundle and which guard an installation gets.

import { describe, expect, it } from 'vitest';
import type { InstalledNginx } from '../../../build/installed_nginx.js';
import { readOperatorConfig } from '../../../nginx/operator_config.js';
import { chooseWays, type Asked, type Situation } from '../../../verifier/cli/install_choice.js';

const nginx: InstalledNginx = {
  name: 'yours',
  command: ['nginx'],
  modulePath: '/m.so',
  nginxVersion: '1.30.6',
  njsVersion: '1.0.2',
  engines: ['qjs', 'njs'],
  hasJsAccess: true,
  configuration: '',
  configurationFault: '',
};
const debian13: InstalledNginx = { ...nginx, njsVersion: '0.8.9', engines: ['njs'], hasJsAccess: false };
const auto: Asked = { engine: 'auto', entry: 'auto' };
const choose = (situation: Partial<Situation> & { text?: string }, asked: Partial<Asked> = {}) =>
  chooseWays(
    { ...auto, ...asked },
    {
      nginx,
      config: situation.text === undefined ? undefined : readOperatorConfig(situation.text),
      earlier: undefined,
      ...situation,
    },
  );

describe('chooseWays', () => {
  it.each([
    ['an empty configuration', '', 'qjs', true],
    ['js_engine qjs', 'http { js_engine qjs; }', 'qjs', false],
    ['js_engine njs', 'http { js_engine njs; }', 'njs', false],
    [
      'scripts and no engine',
      'js_import a from a.js; server { location / { js_content a.b; } }',
      'njs',
      false,
    ],
    ['scripts and js_engine qjs', 'js_engine qjs; location / { js_content a.b; }', 'qjs', false],
    ['Keygate and no engine', 'js_import keygate from /k/keygate.js;', 'njs', false],
  ])('takes the engine for %s', (_, text, engine, addsEngine) => {
    expect(choose({ text })).toMatchObject({ engine, addsEngine });
  });

  it('takes what it installed before where the configuration can not be read', () => {
    expect(choose({})).toMatchObject({ engine: 'qjs', addsEngine: true });
    expect(choose({ earlier: 'njs' })).toMatchObject({ engine: 'njs', addsEngine: false });
    expect(choose({ nginx: debian13, earlier: 'qjs' })).toMatchObject({ engine: 'njs', addsEngine: false });
  });

  it('learns from the words of an nginx that refuses the bundle for qjs', () => {
    const configurationFault = 'SyntaxError: Token "keygate_js_is_for_js_engine_qjs__run_keygate_install_again" not supported in this version'; // prettier-ignore
    expect(choose({ nginx: { ...nginx, configurationFault }, earlier: 'qjs' })).toMatchObject({ engine: 'njs', addsEngine: false }); // prettier-ignore
  });

  it('takes js_access only where it can not be bypassed', () => {
    expect(choose({ text: '' }).entry).toBe('access');
    expect(choose({ text: '' }, { entry: 'auth_request' }).entry).toBe('auth_request');
    for (const njsVersion of ['0.8.9', '0.9.9', '1.0.0']) {
      const old = { ...debian13, njsVersion };
      expect(choose({ nginx: old, text: '' })).toMatchObject({ entry: 'auth_request', reasons: [expect.anything(), expect.stringContaining('CVE-2026-18329')] }); // prettier-ignore
      expect(() => choose({ nginx: old, text: '' }, { entry: 'access' })).toThrow(`njs ${njsVersion} is too old: expected 1.0.1 or newer`); // prettier-ignore
    }
  });

  it('refuses an engine that this njs or the configuration does not have', () => {
    expect(() => choose({ nginx: debian13, text: '' }, { engine: 'qjs' })).toThrow('has no engine qjs');
    expect(() => choose({ text: 'js_engine njs;' }, { engine: 'qjs' })).toThrow('your configuration has `js_engine njs`'); // prettier-ignore
    expect(() => choose({ text: 'js_engine njs; server { js_engine qjs; }' })).toThrow('`js_engine qjs` and `js_engine njs`'); // prettier-ignore
    expect(choose({ text: 'js_engine njs; server { js_engine qjs; }' }, { engine: 'qjs' })).toMatchObject({ engine: 'qjs', addsEngine: false }); // prettier-ignore
  });

  it('says whose scripts change over with an engine that was asked for', () => {
    const { reasons, addsEngine } = choose({ text: 'location / { js_content a.b; }' }, { engine: 'qjs' });
    expect({ reasons, addsEngine }).toEqual({ reasons: ['engine qjs: asked for; your own scripts will run on it too'], addsEngine: true }); // prettier-ignore
  });
});
