// What is wrong in http and in a server, and what leads past a guarded location of one that stays open.

import { describe, expect, it } from 'vitest';
import { faultsIn, faultsOf, faultsOfServer, include } from './guarded.js';

describe('http', () => {
  it('has http.conf, or asking.conf, where something is guarded', () => {
    const server = `server {\n${include('guard')} }`;
    expect(faultsIn(`http { ${server} }`)).toEqual(['2: http: guard.conf needs `include http.conf` in http']);
    for (const name of ['http', 'asking']) expect(faultsIn(`http { ${include(name)} ${server} }`)).toEqual([]);
    expect(faultsIn('http { server { location / { proxy_pass http://app; } } }')).toEqual([]);
  });

  it.each(['map_hash_bucket_size 128', 'map_hash_max_size 4096'])('has %s before http.conf', (line) => {
    expect(faultsIn(`http { ${line}; ${include('http')} }`)).toEqual([]);
    const name = /^\w+/.exec(line)?.[0];
    expect(faultsIn(`http { ${include('http')}\n${line}; }`)).toEqual([
      `2: http: \`${line}\` comes after http.conf, which has maps, and nginx says \`"${name}" directive is ` +
        `duplicate\`: ` +
        'put it first',
    ]);
  });
});

describe('a server', () => {
  it('is looked at in http alone', () => {
    const server = `server { set $a b; ${include('guard')} location / { return 200; } }`;
    expect(faultsIn(`http { ${include('http')} } stream { ${server} } mail { ${server} }`)).toEqual([]);
    expect(faultsIn(`http { ${include('http')} ${server} }`)).toHaveLength(2);
  });

  it('has locations.conf for its guarded locations', () => {
    for (const name of ['guard_location', 'guard_access']) {
      const location = `location /a { ${include(name)} }`;
      expect(faultsOfServer(`\n${location}`)).toEqual([
        '3: server a: `location /a` is guarded, but the server lacks `include locations.conf` as its first line: ' +
          'nginx answers 500 there',
      ]);
      expect(faultsOfServer(`${include('locations')} ${location}`)).toEqual([]);
    }
  });
});

describe('a server that stays open', () => {
  const guarded = (lines = '', path = '/api/') =>
    `${include('locations')} location ${path} { ${include('guard_location')} ${lines} }\n`;

  it('is named where a pattern takes paths of a guarded location', () => {
    const pattern = 'location ~* \\.(js|css)$';
    const fault =
      `3: server a: \`${pattern}\` may take paths of /api/, and nobody is asked there: write ` +
      `\`location ^~ /api/\`, or guard it too`;
    expect(faultsOfServer(`${guarded()}${pattern} { root /x; }`)).toEqual([fault]);
    expect(faultsOfServer(`${guarded('', '^~ /api/')}${pattern} { root /x; }`)).toEqual([]);
    for (const lines of ['deny all;', 'return 404;', include('guard_location'), include('open')])
      expect(faultsOfServer(`${guarded()}${pattern} { ${lines} }`)).toEqual([]);
    expect(faultsOfServer(`${guarded()}location ~ ^/site/ { root /x; }`)).toEqual([]);
    expect(faultsOf(`location /api/ { } ${pattern} { root /x; }`)).toEqual([]);
  });

  it('is named where a rewrite leads out of a guarded location', () => {
    const app = 'location /app/ { root /x; }';
    for (const rewrite of ['rewrite ^/api/(.*)$ /app/$1 last', 'rewrite ^/api/(.*)$ /app/$1'])
      expect(faultsOfServer(`${guarded(`\n${rewrite};`)}${app}`)).toEqual([
        `3: server a: \`${rewrite}\` leads to location /app/, where nobody is asked`,
      ]);
    const leading = (line: string, target: string) => faultsOfServer(`${guarded(line)}${target}`);
    expect(leading('if ($a) { rewrite ^ /app/x; }', app)).toHaveLength(1);
    expect(leading('rewrite ^/api(/.*) $1 last;', 'location / { root /x; }')).toHaveLength(1);
    expect(
      leading('rewrite ^ /app/x last;', `location / { root /x; } location /app/ { ${include('guard_location')} }`),
    ).toEqual([]);
    expect(leading('rewrite ^ /api/x/$1 last;', 'location / { root /x; }')).toEqual([]);
    expect(leading('rewrite ^/api/(.*)$ /app/$1 break;', app)).toEqual([]);
  });
});
