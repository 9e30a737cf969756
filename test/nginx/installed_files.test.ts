// What an installed folder holds: the shipped snippets, with nothing relative left in them.

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { installedFiles } from '../../nginx/installed_files.js';

const root = join(import.meta.dirname, '../..');
const dir = '/etc/nginx/keygate';
const shipped = (name: string) => readFileSync(join(root, 'nginx/snippets', name), 'utf8');

describe('installedFiles', () => {
  it('holds every snippet and the bundle of the engine', () => {
    const names = [...readdirSync(join(root, 'nginx/snippets')), 'keygate.js'].sort();
    for (const [engine, bundle] of [
      ['qjs', 'keygate.js'],
      ['njs', 'keygate.es5.js'],
    ] as const) {
      // prettier-ignore
      const files = installedFiles({ dir, engine });
      expect(Object.keys(files).sort()).toEqual(names);
      expect(files['keygate.js']).toBe(readFileSync(join(root, 'dist', bundle), 'utf8'));
    }
  });

  it('changes nothing in a snippet but the references to the folder', () => {
    const files = installedFiles({ dir, engine: 'qjs' });
    for (const name of readdirSync(join(root, 'nginx/snippets'))) {
      expect(files[name]?.replaceAll(`${dir}/`, 'keygate/'), name).toBe(shipped(name).replaceAll(`${dir}/`, 'keygate/')); // prettier-ignore
      expect(files[name], name).not.toMatch(/^\s*(?:include|js_import \w+ from) (?!\/)/m);
    }
    expect(files['http.conf']).toContain(`js_import keygate from ${dir}/keygate.js;`);
    expect(files['server.conf']).toContain(`include ${dir}/sidecar_secret.conf*;`);
  });

  it('puts every route under the prefix', () => {
    const routes = installedFiles({ dir, engine: 'qjs', prefix: '/auth/v1' })['routes.conf'] as string;
    const paths = [...routes.matchAll(/^location = (\S+)/gm)].map(([, path]) => path);
    const plain = [...shipped('routes.conf').matchAll(/^location = (\S+)/gm)].map(([, path]) => path);
    expect(plain).toContain('/token');
    expect(paths).toEqual(plain.map((path) => `/auth/v1${path}`));
  });

  it.each([
    'keygate',
    '/a b',
    '/a;b',
    '/a{b',
    '/a$b',
    '/a"b',
    '/a*',
    '/a[b]',
    '/a?',
    '/a#b',
    '/a\nb',
    '/a\\b',
  ])('refuses the folder %j', (bad) => {
    expect(() => installedFiles({ dir: bad, engine: 'qjs' })).toThrow('expected an absolute folder');
  });

  it.each(['auth', '/', '/auth/', '//auth', '/a b', '/..', '/./a', '/a;b', '/a$b', '/a%2f', '/a\n'])(
    'refuses the prefix %j',
    (prefix) => {
      expect(() => installedFiles({ dir, engine: 'qjs', prefix })).toThrow('expected a path such as /auth');
    },
  );
});
