// Each snippet says what it is for, and brings into its context nothing that an operator may have there already.

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const folder = join(import.meta.dirname, '../../nginx/snippets');
const names = readdirSync(folder);
const read = (name: string) => readFileSync(join(folder, name), 'utf8');

/** The directives that stand directly in the snippet's context, with what they name. */
function outermost(text: string): string[] {
  const bare = text.replace(/(^|\s)#.*$/gm, '$1').replace(/"(?:\\.|[^"\\])*"/g, '""');
  let depth = 0;
  let directive = '';
  const found: string[] = [];
  for (const sign of bare) {
    if (depth === 0 && (sign === ';' || sign === '{')) {
      found.push(directive.trim().replace(/\s+/g, ' '));
      directive = '';
    } else if (depth === 0 && sign !== '}') directive += sign;
    if (sign === '{') depth += 1;
    if (sign === '}') depth -= 1;
  }
  return found;
}

describe('snippets', () => {
  it.each(names)('%s says where it goes, what it needs and sets, and what may be edited', (name) => {
    const header = /^(?:#.*\n)+/.exec(read(name))?.[0] ?? '';
    for (const part of ['Include in:', 'Needs:', 'Sets:', 'Edit here:']) expect(header).toContain(part);
    expect(header.includes('Edit here: nothing')).toBe(name !== 'settings.conf');
  });

  it('bring names of Keygate alone into http', () => {
    const http = [...outermost(read('settings.conf')), ...outermost(read('http.conf'))];
    expect(http.length).toBeGreaterThan(30);
    const ours = /^(?:js_var \$keygate_\w+ \S+|js_import keygate from \S+|js_shared_dict_zone zone=keygate_\w+:.*|map \S+ \$keygate_\w+|upstream keygate_sidecar)$/; // prettier-ignore
    expect(http.filter((directive) => !ours.test(directive))).toEqual([]);
  });

  it('bring internal and named locations of Keygate alone into a server', () => {
    const server = outermost(read('server.conf'));
    const ours =
      /^(?:location (?:=|\^~) \/_keygate_\w+\/?|location @keygate_\w+|set \$keygate_server on|if \(\$uri ~ ""\))$/;
    expect(server.filter((directive) => !ours.test(directive))).toEqual([]);
    expect(outermost(read('routes.conf')).every((directive) => /^location = \/\S+$/.test(directive))).toBe(
      true,
    );
  });

  // What may stand in a location any number of times, and `satisfy`, of which a second is to be refused.
  it.each([
    ['location.conf', ['if', 'set', 'js_access', 'satisfy', 'error_page']],
    ['location_auth_request.conf', ['if', 'set', 'auth_request', 'satisfy', 'error_page']],
    ['errors.conf', ['error_page']],
    ['proxy_headers.conf', ['proxy_set_header']],
    ['grpc_headers.conf', ['grpc_set_header']],
    ['fastcgi_headers.conf', ['fastcgi_param']],
    ['uwsgi_headers.conf', ['uwsgi_param']],
    ['scgi_headers.conf', ['scgi_param']],
  ])('bring from %s nothing else than that into a location', (name, allowed) => {
    const found = new Set(outermost(read(name)).map((directive) => directive.split(' ')[0]));
    expect([...found].sort()).toEqual([...allowed].sort());
  });

  it('drop or overwrite the same headers toward every kind of application', () => {
    const set = (name: string) =>
      outermost(read(name)).map((line) => (line.split(' ')[1] ?? '').toLowerCase());
    expect(set('grpc_headers.conf')).toEqual(set('proxy_headers.conf'));
    const params = new Set(set('proxy_headers.conf').map((header) => `http_${header.replaceAll('-', '_')}`));
    for (const kind of ['fastcgi', 'uwsgi', 'scgi'])
      expect(set(`${kind}_headers.conf`).sort()).toEqual([...params, 'remote_user'].sort());
  });
});
