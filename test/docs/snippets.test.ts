// What the snippets may hold, so that nothing of an operator's is defined twice or set for them.

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const folder = join(import.meta.dirname, '../../nginx/snippets');
const names = readdirSync(folder);
const read = (name: string) => readFileSync(join(folder, name), 'utf8');

/** Directives at the top of a snippet, with what follows their name. */
function statements(text: string): [name: string, rest: string][] {
  const found: [string, string][] = [];
  const bare = text.replace(/^\s*#.*$/gm, '').replace(/\s# .*$/gm, '');
  let depth = 0;
  for (const [, directive, mark] of bare.matchAll(/((?:"(?:\\.|[^"])*"|'[^']*'|[^;{}"'])*)([;{}])/g)) {
    const [name = '', ...rest] = (directive ?? '').trim().split(/\s+/);
    if (depth === 0 && name !== '') found.push([name, rest.join(' ')]);
    depth += mark === '{' ? 1 : mark === '}' ? -1 : 0;
  }
  expect(depth).toBe(0);
  return found;
}

// By the context that a snippet is included in: what may stand any number of times, or nowhere else. `satisfy` is the
// exception: a second one in a guarded location is to be refused.
const allowed: { [snippet: string]: string[] } = {
  'settings.conf': ['js_var', 'upstream'],
  'http.conf': ['js_import', 'js_shared_dict_zone', 'js_var', 'map'],
  'server.conf': ['set', 'if', 'location'],
  'routes.conf': ['location'],
  'location.conf': ['if', 'set', 'js_access', 'satisfy', 'error_page'],
  'location_auth_request.conf': ['if', 'set', 'auth_request', 'satisfy', 'error_page'],
  'errors.conf': ['error_page'],
  'refusal.conf': ['satisfy', 'allow', 'auth_basic', 'auth_request', 'mirror'],
  'proxy_headers.conf': ['proxy_set_header'],
  'grpc_headers.conf': ['grpc_set_header'],
  'fastcgi_headers.conf': ['fastcgi_param'],
  'uwsgi_headers.conf': ['uwsgi_param'],
  'scgi_headers.conf': ['scgi_param'],
};

describe('snippets', () => {
  it('are all known here', () => {
    expect([...names].sort()).toEqual(Object.keys(allowed).sort());
  });

  it.each(names)('%s holds no other directive than its context bears', (name) => {
    const found = [...new Set(statements(read(name)).map(([directive]) => directive))];
    expect(found.filter((directive) => !allowed[name]?.includes(directive))).toEqual([]);
    expect(found).not.toEqual([]);
  });

  it.each(names)('%s names nothing that is not called keygate', (name) => {
    for (const [directive, rest] of statements(read(name))) {
      if (directive === 'js_var' || directive === 'set') expect(rest).toMatch(/^\$keygate_/);
      if (directive === 'map') expect(rest).toMatch(/ \$keygate_\w+$/);
      if (directive === 'js_import') expect(rest).toMatch(/^keygate from /);
      if (directive === 'js_shared_dict_zone') expect(rest).toMatch(/^zone=keygate_/);
      if (directive === 'upstream') expect(rest).toMatch(/^keygate_\w+$/);
      if (directive === 'location' && name === 'server.conf')
        expect(rest).toMatch(/^(= |\^~ )?(\/_keygate_|@keygate_)/);
    }
  });

  it.each(names)('%s opens with the header that every snippet has', (name) => {
    const header = read(name).split('\n\n')[0] ?? '';
    for (const part of ['Include in: ', 'Needs: ', 'Sets: ', 'Edit here: ']) expect(header).toContain(part);
    expect(header.split('\n').every((line) => line.startsWith('# '))).toBe(true);
  });

  it('drop or overwrite the same headers toward every kind of application', () => {
    const set = (name: string) =>
      statements(read(name)).map(([, rest]) => (rest.split(' ')[0] ?? '').toLowerCase());
    expect(set('grpc_headers.conf')).toEqual(set('proxy_headers.conf'));
    const asParams = new Set(
      set('proxy_headers.conf').map((header) => `http_${header.replaceAll('-', '_')}`),
    );
    for (const kind of ['fastcgi', 'uwsgi', 'scgi'])
      expect(set(`${kind}_headers.conf`).sort()).toEqual([...asParams, 'remote_user'].sort());
  });
});
