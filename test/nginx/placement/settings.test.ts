// Settings of a location: named where they do not hold.

import { describe, expect, it } from 'vitest';
import { faultsOf, faultsOfServer, include } from './guarded.js';

const set = 'set $keygate_require_scope admin;';
const fault = (place: string, cure = 'a question of its own holds there too (ask.conf)') =>
  `2: location /admin/ of server a: \`set $keygate_require_scope admin\` does not hold in ${place} (line 3): ${cure}`;

describe('a setting by `set`', () => {
  it('is named where a nested location does not have it', () => {
    const nested = (lines: string) => faultsOf(`location /admin/ { ${set}\nlocation /admin/x/ { ${lines} } }`);
    expect(nested('')).toEqual([fault('location /admin/x/')]);
    expect(nested('set $keygate_jwt_leeway 1;')).toEqual([fault('location /admin/x/')]);
    expect(nested('set $keygate_require_scope other;')).toEqual([]);
    for (const lines of [include('open'), 'deny all;', 'return 404;']) expect(nested(lines)).toEqual([]);
    expect(nested('allow 10.0.0.1; deny all;')).toHaveLength(1);
    expect(faultsOf(`location /admin/ { ${set} location /admin/x/ { ${set}\nlocation ~ y { } } }`)).toHaveLength(2);
  });

  it.each([
    ['~ \\.php$', true],
    ['~* \\.(js|css)$', true],
    ['~ ^/admin/.*\\.js$', true],
    ['~ ^/(admin|other)/', true],
    ['~ ^/adm', true],
    ['~ ^/admins?/', true],
    ['~* ^/ADMIN/', true],
    ['~ ^/other|x', true],
    ['~ ^/other/', false],
    ['~ ^/other/admin/', false],
    ['~ ^/ADMIN/', false],
    ['~ ^/admin\\.x/', false],
    ['/admin/x/', false],
    ['= /admin/x', false],
    ['@x', false],
  ])('is named where `location %s` may take its paths: %s', (location, isTaken) => {
    const faults = faultsOf(`location /admin/ { ${set} }\nlocation ${location} { }`);
    expect(faults).toEqual(isTaken ? [fault(`location ${location}`)] : []);
    for (const own of ['^~ /admin/', '= /admin/'])
      expect(faultsOf(`location ${own} { ${set} } location ${location} { }`)).toEqual([]);
    expect(faultsOf(`location /admin/ { ${set} }\nlocation ${location} { ${set} }`)).toEqual([]);
  });

  it('is named where a pattern of the server takes paths of a nested location', () => {
    const nested = (outer: string) => `location ${outer} { location /a/b/ { ${set} } } location ~ \\.js$ { }`;
    expect(faultsOf(nested('/a/'))).toHaveLength(1);
    expect(faultsOf(nested('^~ /a/'))).toEqual([]);
  });

  it('is named after a line that ends such lines', () => {
    const after = (line: string) => faultsOf(`location /admin/ { ${line};\n${set} }`);
    for (const line of ['break', 'rewrite ^/a /b break', 'rewrite ^/a /b last'])
      expect(after(line)).toEqual([
        `3: location /admin/ of server a: \`set $keygate_require_scope admin\` does not hold: it comes after ` +
          `\`${line}\`, after which nginx runs none`,
      ]);
    for (const line of ['rewrite ^/a /b', 'set $a b']) expect(after(line)).toEqual([]);
  });

  it('is of no consequence where nobody is asked, nor is a variable of somebody else', () => {
    expect(faultsOf(`location /a { ${include('open')} ${set} location /a/b { } }`)).toEqual([]);
    expect(faultsOfServer(`location /a { ${set} location /a/b { } }`)).toEqual([]);
    expect(faultsOf('location /a { set $keygate_mine x; set $scope y; location /a/b { } }')).toEqual([]);
  });

  it('needs no question of its own where it is none of the question', () => {
    const forward = 'set $keygate_forward_credential on;';
    expect(faultsOf(`location /admin/ { ${forward}\nlocation /admin/x/ { } }`)).toEqual([
      expect.stringContaining('(line 3): set it there too') as string,
    ]);
  });

  it('does not matter where a nested location has a question of its own, which has all settings', () => {
    const question =
      'location = /_keygate_ask_x { ' +
      `${['jwt_audience', 'jwt_issuer', 'jwt_leeway', 'require_scope', 'hide_token_route'].map((name) => `set $keygate_${name} x;`).join(' ')} ${include('ask')} }`;
    expect(
      faultsOf(`${question} location /admin/ { ${set} location /admin/x/ { auth_request /_keygate_ask_x; } }`),
    ).toEqual([]);
  });
});
