// What an installed folder holds: the shipped snippets, with nothing relative left in them.

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { installedFiles, type Installation } from '../../nginx/installed_files.js';
import { bundles, snippetFiles } from '../../nginx/snippet_files.js';

const root = join(import.meta.dirname, '../..');
const dir = '/etc/nginx/keygate';
const installation: Installation = {
  dir,
  engine: 'qjs',
  prefix: '/keygate',
  nginxVersion: '1.30.6',
  decisionAddress: '127.0.0.1:9147',
  decisionSecret: '0123456789abcdef0123456789abcdef',
};
const install = (changed: Partial<Installation> = {}) => installedFiles({ ...installation, ...changed });
const snippets = snippetFiles({ ...installation, sourceDir: join(root, 'nginx') });

describe('installedFiles', () => {
  it('holds every snippet and the bundles of the engine', () => {
    const names = [...Object.keys(snippets), ...bundles.map((name) => `${name}.js`)].sort();
    expect(names).toEqual(expect.arrayContaining(readdirSync(join(root, 'nginx/snippets'))));
    for (const [engine, ending] of [
      ['qjs', '.js'],
      ['njs', '.es5.js'],
    ] as const) {
      const files = install({ engine });
      expect(Object.keys(files).sort()).toEqual(names);
      for (const name of bundles) {
        expect(files[`${name}.js`], name).toBe(readFileSync(join(root, 'dist', name + ending), 'utf8'));
      }
      expect(files['decision_server.conf']).toContain(`js_engine ${engine};`);
    }
  });

  it('changes nothing in a snippet but the references to the folder', () => {
    const files = install({ prefix: '' });
    for (const [name, text] of Object.entries(snippets)) {
      expect(files[name]?.replaceAll(`${dir}/`, 'keygate/'), name).toBe(text.replaceAll(`${dir}/`, 'keygate/'));
      expect(files[name], name).not.toMatch(/^\s*(?:include|js_import \w+ from) (?!\/)/m);
    }
    expect(files['decision_server.conf']).toContain(`js_import keygate from ${dir}/keygate.js;`);
    expect(files['to_sidecar.conf']).toContain(`include ${dir}/sidecar_secret.conf*;`);
  });

  it.each(['/keygate', '/auth/v1'])('puts every route under the prefix %s', (prefix) => {
    const paths = (routes = '') => [...routes.matchAll(/^location = (\S+)/gm)].map(([, path]) => path);
    const plain = paths(snippets['routes.conf']);
    expect(plain).toContain('/token');
    const routes = install({ prefix })['routes.conf'];
    expect(paths(routes)).toEqual(plain.map((path) => `${prefix}${path}`));
    const asked = (text = '') => [...text.matchAll(/proxy_pass \S+/g)].map(String);
    expect(asked(routes)).toEqual(asked(snippets['routes.conf'])); // the decision server knows no prefix
  });

  it.each(['keygate', '/a b', '/a;b', '/a{b', '/a$b', '/a"b', '/a*', '/a[b]', '/a?', '/a#b', '/a\nb', '/a\\b'])(
    'refuses the folder %j',
    (bad) => {
      expect(() => install({ dir: bad })).toThrow('expected an absolute folder');
    },
  );

  it.each(['auth', '/', '/auth/', '//auth', '/a b', '/..', '/./a', '/a;b', '/a$b', '/a%2f', '/a\n'])(
    'refuses the prefix %j',
    (prefix) => {
      expect(() => install({ prefix })).toThrow('expected a path such as /auth');
    },
  );

  it.each(['127.0.0.1:9147', '[::1]:9147', 'unix:/run/keygate/decision.sock'])(
    'has the decision server listen on %s',
    (decisionAddress) => {
      const files = install({ decisionAddress });
      for (const name of ['decision_listen.conf', 'decision_address.conf'])
        expect(files[name]).toContain(` ${decisionAddress}`);
    },
  );

  it.each([
    '',
    '9147',
    'localhost',
    '127.0.0.1',
    '127.0.0.1:9147;',
    '0.0.0.0:9147 a',
    'unix:decision.sock',
    'unix:/a b',
    'unix:/a;b',
    'unix:/a$1',
    '$1:1',
  ])('refuses the address %j of the decision server', (decisionAddress) => {
    expect(() => install({ decisionAddress })).toThrow('expected 127.0.0.1:9147 or unix:/path');
  });
});
