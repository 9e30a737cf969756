// What reaches an application: its client's key, a client's own idea of who it is, two request ids.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { dir, faultsIn, faultsOf, faultsOfServer, include } from './guarded.js';

const protocols = [
  ['proxy', 'proxy_set_header', 'http://app'],
  ['grpc', 'grpc_set_header', 'grpc://app'],
  ['fastcgi', 'fastcgi_param', 'unix:/app'],
  ['uwsgi', 'uwsgi_param', 'unix:/app'],
  ['scgi', 'scgi_param', 'unix:/app'],
] as const;

/** The name that a line of a protocol has for a header. */
const named = (line: string, header: string) =>
  line.endsWith('_param') ? `HTTP_${header.toUpperCase().replaceAll('-', '_')}` : header;

describe.each(protocols)('%s_pass', (protocol, line, address) => {
  const file = `${protocol}_headers`;
  const pass = `${protocol}_pass ${address};`;
  const header = (name: string, value: string) => `${line} ${named(line, name)} ${value}`;
  const at = (lines: string, server = '') => faultsOf(`${server} location /a {\n${lines}\n}`);
  const keyGoesOn = (number: number, because = '') => [
    `${number}: location /a of server a: the client's key goes on to the application${because}: add \`include ` +
      `${dir}/${file}.conf;\``,
  ];

  it('without its header file passes the key on, by `if` and `limit_except` too', () => {
    expect(at(pass)).toEqual(keyGoesOn(3));
    expect(at(`if ($b) { ${pass} }`)).toEqual(keyGoesOn(3));
    expect(at(`limit_except GET { ${pass} }`)).toEqual(keyGoesOn(3));
    expect(at(`${include(file)} ${pass}`)).toEqual([]);
    const other = protocol === 'proxy' ? 'grpc_headers' : 'proxy_headers';
    expect(at(`${include(other)} ${pass}`)).toEqual(keyGoesOn(3));
  });

  it('inherits the file, unless a line of its own drops it', () => {
    expect(at(pass, include(file))).toEqual([]);
    expect(faultsOf(`location /b { ${include(file)} location /b/c { ${pass} } }`)).toEqual([]);
    const own = header('X-Mine', '1');
    expect(at(`${own};\n${pass}`, include(file))).toEqual(
      keyGoesOn(4, `, as \`${own}\` drops the lines of the level around it`),
    );
    expect(at(`${own}; ${pass}`)).toEqual(keyGoesOn(3));
    expect(at(`${own}; ${include(file)} ${pass}`, include(file))).toEqual([]);
  });

  it('may end the key by itself, or be told to pass it on', () => {
    const ended = ['Authorization', 'x-api-key', 'Api-Key'].map((name) => `${header(name, '""')};`);
    expect(at(`${ended.join(' ')} ${pass}`)).toEqual([]);
    expect(at(`${ended.slice(1).join(' ')} ${pass}`)).toEqual(keyGoesOn(3));
    expect(at(`${ended.join(' ')} ${header('X-Key', '$http_x_api_key')}; ${pass}`)).toEqual(keyGoesOn(3));
    expect(at(`set $keygate_forward_credential on; ${pass}`)).toEqual([]);
    expect(at(`set $keygate_forward_credential off; ${pass}`)).toEqual(keyGoesOn(3));
    expect(at(pass, 'set $keygate_forward_credential on;')).toEqual([]);
  });

  it('is named for a line that passes the key on beside the file', () => {
    for (const [name, value] of [
      ['Authorization', '$http_authorization'],
      ['X-Api-Key', '"${http_x_api_key}"'],
      ['Api-Key', '$http_api_key'],
      ['X-Was', '"was $http_authorization"'],
    ] as const) {
      const own = header(name, value);
      const fault = [
        `3: location /a of server a: \`${own}\` sends the client's key on to the application: take it out, or \`set ` +
          `$keygate_forward_credential on;\``,
      ];
      expect(at(`${own}; ${include(file)} ${pass}`)).toEqual(fault);
      expect(at(`${include(file)} ${own}; ${pass}`)).toEqual(fault);
      expect(at(`set $keygate_forward_credential on; ${include(file)} ${own}; ${pass}`)).toEqual([]);
    }
    expect(at(`${include(file)} ${header('Authorization', '"Basic YTpi"')}; ${pass}`)).toEqual([]);
  });

  it('is named for a second request id, and for another identity', () => {
    const id = header('X-Request-Id', '$request_id');
    expect(at(`${include(file)} ${id}; ${pass}`)).toEqual([
      `3: location /a of server a: \`${id}\` sends a second X-Request-Id beside that of ${file}.conf: take it out`,
    ]);
    expect(at(`${id}; ${header('X-Other', '1')}; ${include(file)} ${pass}`)).toHaveLength(1);
    const user = header('X-Auth-User', '$remote_user');
    expect(at(`${include(file)} ${user}; ${pass}`)).toEqual([
      `3: location /a of server a: \`${user}\` names another client than ${file}.conf does: take it out`,
    ]);
    const claim = header('X-Auth-Claim-Email', '$arg_email');
    expect(at(`${include(file)} ${claim}; ${pass}`)).toEqual([
      `3: location /a of server a: \`${claim}\` names another client than ${file}.conf does: take it out`,
    ]);
    expect(at(`${include(file)} ${header('X-Auth-Claim-Email', '""')}; ${pass}`)).toEqual([]);
    // Of two parameters the last one counts
    expect(at(`${user}; ${include(file)} ${pass}`)).toHaveLength(line.endsWith('_param') ? 0 : 1);
  });

  it('is not looked at where nobody is asked', () => {
    expect(faultsOfServer(`location /a { ${pass} }`)).toEqual([]);
    expect(at(`${include('open')} ${pass}`)).toEqual([]);
    expect(
      at(`${include('open')} ${include(file)} ${header('Authorization', '$http_authorization')}; ${pass}`),
    ).toEqual([]);
  });

  it("is named where a client's own identity goes on", () => {
    const forged = (number: number, name: string) => [
      expect.stringMatching(
        new RegExp(
          `^${number}: location \\S+ of server a: a client's own X-Auth-User goes on.*add .include ` +
            `${dir}/${name}\\.conf`,
        ),
      ),
    ];
    const nested = (lines: string) => `location /a { ${include('open')} location /a/b {\n ${lines} ${pass} } }`;
    expect(faultsOf(nested(''))).toEqual([]); // guard.conf has looked at it
    const alone = (lines: string) =>
      faultsOfServer(`${include('locations')} location / { ${include('guard_location')} ${nested(lines)} }`);
    expect(alone('')).toEqual(expect.arrayContaining(forged(3, 'open')));
    for (const cure of ['open', file])
      expect(alone(include(cure))).not.toEqual(expect.arrayContaining(forged(3, 'open')));
    const drop = 'set $keygate_identity_headers drop;';
    expect(at(`set $keygate_forward_credential on; ${pass}`, drop)).toEqual(forged(3, file));
    expect(at(`${include('open')} ${pass}`, drop)).toEqual(forged(3, file));
    expect(at(`${include(file)} ${pass}`, drop)).toEqual([]);
  });
});

describe('settings of all locations', () => {
  const passing = 'location /a {\nproxy_pass http://app; }';
  const guarded = `http { ${include('http')} server { ${include('guard')} ${passing} } }`;

  it('are those of settings.conf', () => {
    const shipped = readFileSync(join(import.meta.dirname, '../../../nginx/snippets/settings.conf'), 'utf8');
    const dump = (text: string) =>
      `# configuration file /etc/nginx/nginx.conf:\n${guarded}\n# configuration file ${dir}/settings.conf:\n${text}\n`;
    expect(faultsIn(dump(shipped))).toHaveLength(1);
    expect(faultsIn(dump(shipped.replace(/(forward_credential) "off"/, '$1 "on"')))).toEqual([]);
    expect(faultsIn(dump(shipped.replace(/(identity_headers) "refuse"/, '$1 "drop"')))[0]).toContain('X-Auth-User');
  });

  it('are those of a copy of front_settings.conf', () => {
    expect(faultsOf(passing, 'map "" $keygate_forward_credential { default "on"; }')).toEqual([]);
    expect(faultsOf(passing, 'map "" $keygate_forward_credential { default "off"; }')).toHaveLength(1);
  });
});

describe('proxy_pass_request_headers', () => {
  it('off passes no key on, unless a line does', () => {
    const at = (lines: string, server = '') => faultsOf(`${server} location /a { ${lines} proxy_pass http://app; }`);
    expect(at('proxy_pass_request_headers off;')).toEqual([]);
    expect(at('', 'proxy_pass_request_headers off;')).toEqual([]);
    expect(at('proxy_pass_request_headers on;', 'proxy_pass_request_headers off;')).toHaveLength(1);
    expect(at('proxy_pass_request_headers off; proxy_set_header Authorization $http_authorization;')).toHaveLength(1);
  });
});

describe('REMOTE_USER', () => {
  it('after the file is what applications take', () => {
    const at = (lines: string) => faultsOf(`location /a { ${lines} fastcgi_pass unix:/app; }`);
    const own = 'fastcgi_param REMOTE_USER $remote_user;';
    expect(at(`${own} ${include('fastcgi_headers')}`)).toEqual([]);
    expect(at(`${include('fastcgi_headers')} ${own}`)).toHaveLength(1);
  });

  it('names one line of a server once, however many locations send it', () => {
    const locations = ['/a', '/b'].map((path) => `location ${path} { proxy_pass http://app; }`).join(' ');
    expect(faultsOf(`\n${include('proxy_headers')} proxy_set_header X-Request-Id x; ${locations}`)).toHaveLength(1);
  });
});
