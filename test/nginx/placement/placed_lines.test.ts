// Where lines go: by file and line, for what is missing alone; put there, they leave nothing to add.

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readConfiguration } from '../../../nginx/configuration/configuration.js';
import { placeLines, type Placed } from '../../../nginx/placement/placed_lines.js';

const dir = '/etc/nginx/keygate';
const wanted = { dir, modulePath: 'modules/ngx_http_js_module.so' };
const guard = `include ${dir}/guard.conf;`;
const locations = `include ${dir}/locations.conf;`;
const guardLocation = `include ${dir}/guard_location.conf;`;
const headers = (name: string) => `include ${dir}/${name}_headers.conf;`;

type Files = { [path: string]: string };
const dump = (files: Files) =>
  Object.entries(files)
    .map(([path, text]) => `# configuration file ${path}:\n${text}\n`)
    .join('');
const place = (files: Files) => placeLines(wanted, readConfiguration(dump(files), dir));

/** Places as `file:line` or `file:line behind what`, for whom, and the lines without their remarks. */
function tell({ places }: Placed): string[] {
  return places.map(({ file, line, behind, of, lines }) => {
    const where = `${file.replace('/etc/nginx/', '')}:${line}${behind === undefined ? '' : ` behind ${behind}`}`;
    return `${where} (${of}): ${lines.map((one) => one.replace(/;.*/, '').replace(`${dir}/`, '')).join(', ')}`;
  });
}

const done = 'load_module modules/ngx_http_js_module.so;';
/** An http block that has all of its lines, in line 1. */
const ready = (text: string, http = '') =>
  `${done} http { include ${dir}/http.conf; large_client_header_buffers 4 32k; variables_hash_max_size 4096; ` +
  `${http}\n${text}\n}`;
const tellOf = (text: string, http = '') => tell(place({ '/n': ready(text, http) }));

const site = `server {
    listen 443 ssl;
    server_name app.example;
    include proxy_params;
    location / {
        proxy_pass http://127.0.0.1:8080;
    }
    location ~ \\.php$ {
        include fastcgi_params;
        fastcgi_pass unix:/run/php.sock;
    }
    location ^~ /.well-known/acme-challenge/ {
        root /var/www/acme;
    }
    listen [::]:443 ssl; # managed by Certbot
}
server {
    if ($host = app.example) {
        return 301 https://$host$request_uri;
    } # managed by Certbot
    listen 80;
    server_name app.example;
    return 404; # managed by Certbot
}
`;
const certbot: Files = {
  '/etc/nginx/nginx.conf': 'user www-data;\nevents {}\nhttp {\n    sendfile on;\n    include sites-enabled/*;\n}\n',
  '/etc/nginx/sites-enabled/app': site,
  '/etc/nginx/proxy_params': 'proxy_set_header Host $http_host;\nproxy_set_header X-Real-IP $remote_addr;\n',
  '/etc/nginx/fastcgi_params': 'fastcgi_param QUERY_STRING $query_string;\n',
};

describe('placeLines', () => {
  it('names file and line of what is missing, for servers and locations that pass requests on', () => {
    const placed = place(certbot);
    expect(tell(placed)).toEqual([
      'nginx.conf:0 (): load_module modules/ngx_http_js_module.so',
      'nginx.conf:3 (http): include http.conf, large_client_header_buffers 4 32k, variables_hash_max_size 4096',
      'sites-enabled/app:1 (server app.example): include guard.conf, include routes.conf',
      'sites-enabled/app:5 (location / of server app.example): include proxy_params, include proxy_headers.conf',
      'sites-enabled/app:9 (location ~ \\.php$ of server app.example): include fastcgi_headers.conf',
      'sites-enabled/app:12 (location ^~ /.well-known/acme-challenge/ of server app.example): include open.conf',
    ]);
    expect(placed.lines).toMatchObject({ main: [], http: [], server: [], passing: [] });
    expect(placed.lines.open).toEqual([`include ${dir}/open.conf;`]);
    expect(placed.faults).toEqual([]);
  });

  it('leaves nothing to add once the lines are there', () => {
    const files = Object.fromEntries(Object.entries(certbot).map(([path, text]) => [path, text.split('\n')]));
    for (const { file, line, lines } of [...place(certbot).places].sort((a, b) => b.line - a.line))
      files[file]?.splice(line, 0, ...lines);
    const after = place(Object.fromEntries(Object.entries(files).map(([path, text]) => [path, text.join('\n')])));
    expect(tell(after)).toEqual([]);
    expect(Object.values(after.lines).flat()).toEqual([]);
    expect(after.faults).toEqual([]);
  });

  it('says so by context where nothing is known, or no server passes anything on', () => {
    const { places, lines } = place({ '/n': 'events {}' });
    expect(places).toEqual([]);
    expect(Object.values(lines).map((one) => one.length > 0)).toEqual([true, true, true, true, true]);
    const { lines: others } = place({ '/n': ready('server { root /x; }') });
    expect(
      Object.entries(others)
        .filter(([, one]) => one.length > 0)
        .map(([context]) => context),
    ).toEqual(['server', 'passing', 'open']);
  });

  it('puts http.conf behind map_hash_... lines, and before the first server', () => {
    const http = (text: string) => tell(place({ '/n': `${done}\nhttp {\n${text}\n}` }))[0];
    expect(http('a;\nmap_hash_max_size 4096;\nmap_hash_bucket_size\n 128;\nserver { }')).toMatch(
      /^\/n:6 \(http\): include http\.conf/,
    );
    expect(http('server { }\nmap_hash_max_size 4096;')).toMatch(/^\/n:2 /);
    const { faults } = place({ '/n': `${done} http { server { }\nmap_hash_max_size 4096; }` });
    expect(faults).toEqual([
      expect.objectContaining({
        file: '/n',
        line: 2,
        problem: expect.stringContaining('"map_hash_max_size" directive is duplicate') as string,
      }),
    ]);
    const included = place({
      '/n/nginx.conf': `${done}\nhttp {\ninclude hash.conf;\nserver { }\n}`,
      '/n/hash.conf': 'map_hash_max_size 4096;',
    });
    expect(tell(included)[0]).toMatch(/^\/n\/nginx\.conf:3 \(http\)/);
  });

  it.each(['proxy', 'grpc', 'fastcgi', 'uwsgi', 'scgi'])('has the header file of %s_pass', (protocol) => {
    const pass = `${protocol}_pass app;`;
    const server = (lines: string) => tellOf(`server { ${guard} location / {\n${lines}\n} }`);
    expect(server(pass)).toEqual([`/n:2 (location / of server ): include ${protocol}_headers.conf`]);
    expect(server(`if ($a) {\n${pass} }`)).toHaveLength(1);
    expect(server(`${headers(protocol)} ${pass}`)).toEqual([]);
    const line = protocol === 'proxy' || protocol === 'grpc' ? `${protocol}_set_header` : `${protocol}_param`;
    expect(server(`${line} A 1;\n${line} B\n2;\n${pass}`)).toEqual([
      `/n:5 (location / of server ): include ${protocol}_headers.conf`,
    ]);
  });

  it('repeats what a location inherits and then would not, but for what must not go on', () => {
    const server =
      `server { ${guard} proxy_set_header Host $host; proxy_set_header Authorization ` +
      `$http_authorization;\nproxy_set_header X-Request-Id $request_id; location / {\nproxy_pass http://app;\n} }`;
    expect(tellOf(server)).toEqual([
      '/n:3 (location / of server ): proxy_set_header Host $host, include proxy_headers.conf',
    ]);
    const http = 'proxy_set_header Host $host;';
    expect(tellOf(`server { ${guard} location / {\nproxy_set_header A 1;\nproxy_pass http://app; } }`, http)).toEqual([
      '/n:3 (location / of server ): include proxy_headers.conf',
    ]);
    expect(tellOf(`server { ${guard} ${headers('proxy')} location / { proxy_pass http://app; } }`, http)).toEqual([]);
  });

  it('says what the lines go behind where a line goes on', () => {
    expect(tellOf('server { location / { proxy_set_header A 1; proxy_pass http://app; } }')).toEqual([
      '/n:2 behind `{` (server ): include guard.conf, include routes.conf',
      '/n:2 behind `proxy_set_header A 1` (location / of server ): include proxy_headers.conf',
    ]);
    expect(tellOf('server { location / { proxy_pass http://app; }\n}')[0]).toContain('/n:2 behind `{`');
    expect(tellOf('server {\nlocation / {\nproxy_pass http://app; } }')[0]).toContain('/n:2 (server ');
  });

  it('adds nothing where nobody is asked, and for a guard of a location what its server lacks', () => {
    const pass = 'proxy_pass http://app;';
    expect(tellOf(`server { ${locations} location / { ${pass} } location /a {\n${guardLocation} ${pass} } }`)).toEqual([
      '/n:2 (location /a of server ): include proxy_headers.conf',
    ]);
    expect(
      tellOf(`server {\nlocation / { ${pass} } location /a { ${guardLocation} ${headers('proxy')} ${pass} } }`),
    ).toEqual(['/n:2 (server ): include locations.conf']);
    expect(tellOf(`server { ${guard} location / { include ${dir}/open.conf; ${pass} } }`)).toEqual([]);
    expect(tellOf(`server { ${guard} location / { auth_request /mine; ${pass} } }`)).toEqual([]);
  });

  it('adds lines to a file once that is included twice', () => {
    const server = `server { include snippets/app; }`;
    const placed = place({
      '/n/nginx.conf': ready(`${server}\n${server}`),
      '/n/snippets/app': 'location / {\nproxy_pass http://app; }',
    });
    expect(tell(placed).map((one) => one.split(' ')[0])).toEqual([
      '/n/nginx.conf:2',
      '/n/nginx.conf:3',
      '/n/snippets/app:1',
    ]);
  });

  it("warns of a server's own question, and guards nothing there", () => {
    const { places, faults } = place({
      '/n': ready('server { server_name a;\nauth_request /mine; location / { proxy_pass http://app; } }'),
    });
    expect(places).toEqual([]);
    expect(faults).toEqual([
      {
        file: '/n',
        line: 3,
        problem: expect.stringMatching(
          /^server a: `auth_request \/mine` asks already.*directive is duplicate.*asks one question only/,
        ) as string,
      },
    ]);
  });

  it('tells what is to be changed once the lines are there', () => {
    const { faults } = place({
      '/n': ready(
        'server { server_name a; location / { proxy_pass http://app;\nproxy_set_header Authorization ' +
          '$http_authorization; }\nlocation /x { auth_request /mine; }\nlocation /y { return 200 y; } }',
      ),
    });
    expect(faults.map(({ line, problem }) => `${line}: ${problem.split('`')[1]}`)).toEqual([
      '3: proxy_set_header Authorization $http_authorization',
      '4: auth_request /mine',
      '5: return 200 y',
    ]);
  });

  const examples = join(import.meta.dirname, '../../../examples');
  it.each(readdirSync(examples))('has nothing to add to, or to say of, the example %s', (folder) => {
    const placed = place({
      '/etc/nginx/nginx.conf': readFileSync(join(examples, folder, 'nginx.keygate.conf'), 'utf8'),
    });
    expect(placed.faults).toEqual([]);
    expect(tell(placed)).toEqual([]);
  });
});
