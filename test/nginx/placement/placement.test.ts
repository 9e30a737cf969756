// An nginx operator who includes a snippet in the wrong place.

import { describe, expect, it } from 'vitest';
import { readConfiguration } from '../../../nginx/configuration/configuration.js';
import { checkPlacement } from '../../../nginx/placement/placement.js';

const dir = '/etc/nginx/keygate';
const guard = `include ${dir}/guard.conf;`;
const locations = `include ${dir}/locations.conf;`;
const guardLocation = `include ${dir}/guard_location.conf;`;
const open = `include ${dir}/open.conf;`;
const headers = `include ${dir}/proxy_headers.conf;`;
const errors = `include ${dir}/errors.conf;`;
const http = `include ${dir}/http.conf;`;
const inServer = (text: string) => `http { ${http} server { server_name a.example; ${text} } }`;
const faultsIn = (dump: string) => checkPlacement(readConfiguration(dump, dir)).map(({ problem }) => problem);
const faultsOf = (text: string) => faultsIn(inServer(text));

describe('checkPlacement', () => {
  it('finds nothing where all lines stand where they belong', () => {
    const dump = `# configuration file /etc/nginx/nginx.conf:
      http { ${http} map $a $b { default "{ return"; }
        server { listen 80; root /x; ${locations} set $c 1; rewrite ^/a /b permanent; return 301 /x; error_page 403 /x;
          location / { return 200 "open; }"; auth_request /mine; }
          location /api/ { ${guardLocation} set $keygate_require_scope x; rewrite ^/api/(.*) /$1 break; error_page 404 403 /x; if ($a) { return 403; }
            location /api/b/ { ${guardLocation} set $keygate_require_scope x; ${headers} proxy_pass http://app; } }
          location /c { include ${dir}/guard_access.conf; ${errors} location /c/d { if ($request_length = 0) { return 403; } } } }
        server { listen 81; ${guard} set $c 1; error_page 403 404 /x; rewrite ^/a /b last;
          location / { return 404; }
          location /d { rewrite ^/d/(.*) /$1 break; ${errors} error_page 403 404 /x; location /d/e { } }
          location /f { ${open} return 200 open; error_page 404 /x; location /f/g { return 200 open; } }
          location /h { include ${dir}/guard_access.conf; } } }`;
    expect(faultsIn(dump)).toEqual([]);
    expect(faultsIn('')).toEqual([]);
  });

  it.each([
    ['rewrite ^ /x last;', 'by sending the question to your application, whose 200 admits'],
    ['if ($a) { set $b 1; }', 'by sending the question elsewhere or answering it: a 2xx admits'],
    ['set $a b;', 'as it runs for the question too'],
    ['return 404;', 'as it answers the question too: a 2xx admits'],
    ['break;', 'as it ends the lines that keep the question apart and refuse subrequests'],
  ])('names what comes before guard.conf and locations.conf, and what it opens: %s', (line, why) => {
    for (const name of ['guard.conf', 'locations.conf'])
      expect(faultsOf(`${line} include ${dir}/${name};`)).toEqual([
        `server a.example: \`${/^\w+/.exec(line)?.[0]}\` comes before ${name}, which must be first: it could ` +
          `decide in Keygate's ` +
          `place, ${why}`,
      ]);
  });

  it('names an error_page that answers refusals in place of that of guard.conf', () => {
    for (const line of ['error_page 403 =200 /sorry;', 'error_page 404 401 /x;'])
      expect(faultsOf(`${line} ${guard}`)).toEqual([
        expect.stringContaining('`error_page` comes before guard.conf') as string,
      ]);
    expect(faultsOf(`error_page 404 /x; ${guard}`)).toEqual([]);
  });

  it.each([
    'break',
    'rewrite ^/a /b break',
    'error_page 404 500 = @fallback',
    'error_page 403 =200 /sorry',
    'error_page 401 /login',
  ])('names what comes before the guard of a location: %s', (line) => {
    const faults = faultsOf(`${locations} location = /a { ${line}; ${guardLocation} }`);
    expect(faults).toEqual([
      `location = /a of server a.example: \`${line}\` comes before the guard, which must be first`,
    ]);
  });

  it.each(['return 200 secret', 'return 301 /x', 'return /x', 'rewrite ^ /x permanent', 'rewrite ^ /x redirect'])(
    'names what answers before anything is decided: %s',
    (line) => {
      const fault = `\`${line}\` answers before anything is decided`;
      const here = 'location /a of server a.example';
      expect(faultsOf(`${locations} location /a { ${guardLocation} ${line}; }`)).toEqual([`${here}: ${fault}`]);
      expect(faultsOf(`${guard} location /a { ${line}; }`)).toEqual([`${here}: ${fault}`]);
      expect(faultsOf(`${guard} ${line};`)).toEqual([`server a.example: ${fault}`]);
    },
  );

  it('names what answers in a location within a guarded one, however deep, and not in open ones', () => {
    const nested = (lines: string) => `location /a { ${lines} location /a/b { location ~ c { return 200 x; } } }`;
    const fault = 'location ~ c of server a.example: `return 200 x` answers before anything is decided';
    expect(faultsOf(`${locations} ${nested(guardLocation)}`)).toContain(fault);
    expect(faultsOf(`${guard} ${nested('')}`)).toEqual([fault]);
    expect(faultsOf(`${guard} ${nested(open)}`)).toEqual([]);
    expect(faultsOf(`${locations} ${nested('')}`)).toEqual([]);
  });

  it('names a location that subrequests get into, as nginx runs the lines of the one around it for none', () => {
    const nested = (lines: string) => `location /a { ${lines} location /a/b { location ~ c { } } }`;
    const fault = (advice: string) =>
      ['location /a/b', 'location ~ c'].map(
        (name) => `${name} of server a.example: a subrequest (SSI, mirror, a script) gets in unasked: ${advice}`,
      );
    expect(faultsOf(`${locations} ${nested(guardLocation)}`)).toEqual(fault('it needs the same include'));
    const access = `include ${dir}/guard_access.conf;`;
    expect(faultsOf(`${locations} ${nested(access)}`)).toEqual(fault('add `if ($request_length = 0) { return 403; }`'));
    expect(faultsOf(`${guard} ${nested('')}`)).toEqual([]);
  });

  it.each([
    ['auth_request /mine', 'no credential is checked'],
    ['auth_request off', 'include open.conf instead'],
  ])('names %s in a guarded server', (line, advice) => {
    expect(faultsOf(`${guard} location /a { ${line}; }`)).toEqual([
      `location /a of server a.example: \`${line}\` takes the place of Keygate's question: ${advice}`,
    ]);
  });

  it('names an error_page that ends those of guard.conf', () => {
    const faults = (lines: string) => faultsOf(`${guard} location /a { ${lines} }`);
    expect(faults('error_page 404 /x;')).toEqual([
      expect.stringMatching(/^location \/a of .*include errors\.conf too$/),
    ]);
    for (const lines of ['error_page 403 =200 /x;', `error_page 403 =200 /x; ${errors}`])
      expect(faults(lines)).toEqual([
        "location /a of server a.example: `error_page 403 =200 /x` takes the place of Keygate's answer: a " +
          'refusal is a 200',
      ]);
    expect(faults(`${errors} error_page 403 404 /x;`)).toEqual([]);
  });

  it.each(['location /api', 'location ^~ /api'])(
    'names a path that nginx cuts within a segment, where /token is to be hidden: %s',
    (location) => {
      const hide = 'js_var $keygate_hide_token_route "on";';
      const guarded = (pass: string, where = location) =>
        faultsIn(`${hide} ${inServer(`${guard} ${where} { ${headers} proxy_pass ${pass}; }`)}`);
      expect(guarded('http://app/')).toEqual([
        `${location} of server a.example: \`proxy_pass http://app/\` makes /token of /apitoken, which is then the ` +
          `upstream's own: write \`location /api/\``,
      ]);
      expect(guarded('https://app:8443/v1/')).toHaveLength(1);
      for (const pass of ['http://app', 'http://app/v1', 'http://app$request_uri']) expect(guarded(pass)).toEqual([]);
      for (const where of [`${location}/`, 'location = /api', 'location ~ /api'])
        expect(guarded('http://app/', where)).toEqual([]);
      const passing = (lines: string) => `${location} { ${lines} ${headers} proxy_pass http://app/; }`;
      expect(faultsIn(`${hide} ${inServer(`${locations} ${passing('')}`)}`)).toEqual([]);
      expect(faultsOf(`${guard} ${passing('')}`)).toEqual([]);
      expect(faultsOf(`${guard} ${passing('set $keygate_hide_token_route on;')}`)).toHaveLength(1);
    },
  );

  it('takes the includes of another folder for what they are', () => {
    expect(faultsOf('set $a b; include /etc/nginx/conf.d/guard.conf;')).toEqual([]);
  });

  it('knows an include that is relative to nginx.conf', () => {
    expect(faultsOf('set $a b; include keygate/guard.conf;')).toHaveLength(1);
    expect(faultsOf('set $a b; include other/guard.conf;')).toEqual([]);
  });

  it('reads a torn configuration to its end', () => {
    expect(faultsIn(`} } http { ${http} server { ${guard} location /a {`)).toEqual([]);
  });

  it.each(['break', 'rewrite ^/a(.*) /$1 break'])(
    'names what keeps open.conf from looking at a request: %s',
    (line) => {
      const opened = (lines: string, by = `${locations} location / { ${guardLocation} ${headers} }`) =>
        faultsOf(`${by} location /a { ${line}; ${open} ${lines} }`);
      expect(opened('proxy_pass http://app;', guard)).toEqual([]);
      expect(opened('proxy_pass http://app;')).toEqual([
        `location /a of server a.example: \`${line}\` comes before open.conf, so that a client's own X-Auth-User ` +
          'goes on to the application',
      ]);
      expect(opened('root /x;')).toEqual([]);
      expect(faultsOf(`${guard} location /a { ${open} ${line}; proxy_pass http://app; }`)).toEqual([]);
    },
  );

  it('names file and line, of a file that is included twice once', () => {
    const files = [
      ['nginx.conf', `http { ${http}\nserver { ${guard} include app; } server { ${guard} include app; } }`],
      ['app', 'location / {\n return 200 x; }'],
    ];
    const dump = files.map(([name, text]) => `# configuration file /n/${name}:\n${text}\n`).join('');
    expect(checkPlacement(readConfiguration(dump, dir))).toEqual([
      { file: '/n/app', line: 2, problem: 'location / of server : `return 200 x` answers before anything is decided' },
    ]);
  });
});
