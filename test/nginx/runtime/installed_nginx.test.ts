// The operator's nginx: where its njs is, and what it says of its configuration.

import { mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { findInstalledNginx } from '../../../nginx/runtime/installed_nginx.js';
import { fakeNginx } from '../../cli/install/fake_nginx.js';

let dir = '';

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'keygate-nginx-'));
});

describe('findInstalledNginx', () => {
  it('finds the module in the folder that nginx was built with', async () => {
    const { program, module } = fakeNginx(dir, {
      njs: '1.0.2',
      built: `--prefix=/x --modules-path=${dir} --y`,
    });
    const found = await findInstalledNginx({ program });
    expect(found).toMatchObject({
      modulePath: module,
      njsVersion: '1.0.2',
      nginxVersion: '1.22.1',
      engines: ['njs'],
    });
  });

  it.each([
    ['absolute', (folder: string) => `${folder}/own/ngx_http_js_module.so`],
    ['relative to the prefix', () => 'own/ngx_http_js_module.so'],
  ])('takes the module that the configuration loads, %s, before any other', async (_, named) => {
    const configuration = `load_module ${named(dir)};\nevents {}\n`;
    const { program, module } = fakeNginx(dir, {
      njs: '1.0.2',
      configuration,
      built: `--prefix=${dir} --modules-path=${dir}`,
    });
    mkdirSync(join(dir, 'own'));
    renameSync(module, join(dir, 'own', 'ngx_http_js_module.so'));
    const found = await findInstalledNginx({ program });
    expect(found.modulePath).toBe(join(dir, 'own', 'ngx_http_js_module.so'));
    expect(found.configuration).toContain('events {}');
  });

  it('needs no module where njs is built in', async () => {
    const { program, module } = fakeNginx(dir, {
      njs: '1.0.2',
      built: `--modules-path=${dir} --add-module=/src/njs/nginx`,
    });
    rmSync(module);
    expect(await findInstalledNginx({ program })).toMatchObject({ modulePath: '' });
  });

  it('goes on without a configuration that nginx refuses, and tells why', async () => {
    const { program, module } = fakeNginx(dir, { njs: '0.9.0' });
    const found = await findInstalledNginx({ program, module });
    expect(found).toMatchObject({
      configurationFault: 'open() "/etc/nginx/nginx.conf" failed',
    });
    expect(found.configuration).toBeUndefined();
  });
});
