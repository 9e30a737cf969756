import { describe, expect, it } from 'vitest';
import { checkPlacement } from '../../nginx/placement.js';

const dir = '/etc/nginx/keygate';
const server = `include ${dir}/server.conf;`;
const guard = `include ${dir}/location.conf;`;
const inServer = (text: string) => `http { server { server_name a.example; ${text} } }`;

describe('checkPlacement', () => {
  it('finds nothing where all lines stand where they belong', () => {
    const dump = `# configuration file /etc/nginx/nginx.conf:
      http { map $a $b { default "{ return"; } server { listen 80; root /x; ${server} set $c 1; rewrite ^/a /b permanent; return 301 /x;
        location / { return 200 "open; }"; }
        location /api/ { ${guard} set $keygate_require_scope x; rewrite ^/api/(.*) /$1 break; error_page 404 /x; if ($a) { return 403; }
          location /api/b/ { include ${dir}/location_auth_request.conf; } } } }`;
    expect(checkPlacement(dump, dir)).toEqual([]);
    expect(checkPlacement('', dir)).toEqual([]);
  });

  it.each(['rewrite ^ /x last;', 'if ($a) { set $b 1; }', 'set $a b;', 'return 404;', 'break;'])(
    'names what comes before server.conf: %s',
    (line) => {
      const [fault, ...more] = checkPlacement(inServer(`${line} ${server}`), dir);
      expect(fault).toMatch(`server a.example: \`${/^\w+/.exec(line)?.[0]}\` comes before server.conf, which must be first`); // prettier-ignore
      expect(more).toEqual([]);
    },
  );

  it.each(['break', 'rewrite ^/a /b break', 'error_page 404 500 = @fallback', 'error_page 403 =200 /sorry'])(
    'names what comes before the guard: %s',
    (line) => {
      const faults = checkPlacement(inServer(`${server} location = /a { ${line}; ${guard} }`), dir);
      expect(faults).toEqual([`location = /a of server a.example: \`${line}\` comes before the guard, which must be first`]); // prettier-ignore
    },
  );

  it.each(['return 200 secret', 'rewrite ^ /x permanent', 'rewrite ^ /x redirect'])(
    'names what answers in a guarded location before anything is decided: %s',
    (line) => {
      const faults = checkPlacement(inServer(`${server} location /a { ${guard} ${line}; }`), dir);
      expect(faults).toEqual([`location /a of server a.example: \`${line}\` answers before anything is decided`]); // prettier-ignore
    },
  );

  it.each(['location /api', 'location ^~ /api'])(
    'names a path that nginx cuts within a segment: %s',
    (location) => {
      const guarded = (pass: string, where = location) => checkPlacement(inServer(`${server} ${where} { ${guard} proxy_pass ${pass}; }`), dir); // prettier-ignore
      expect(guarded('http://app/')).toEqual([`${location} of server a.example: \`proxy_pass http://app/\` makes /token of /apitoken, which is then the upstream's own: write \`location /api/\``]); // prettier-ignore
      expect(guarded('https://app:8443/v1/')).toHaveLength(1);
      for (const pass of ['http://app', 'http://app/v1', 'http://app$request_uri'])
        expect(guarded(pass)).toEqual([]);
      for (const where of [`${location}/`, 'location = /api', 'location ~ /api']) expect(guarded('http://app/', where)).toEqual([]); // prettier-ignore
      expect(checkPlacement(inServer(`${server} ${location} { proxy_pass http://app/; }`), dir)).toEqual([]);
    },
  );

  it('names a nested location without a guard of its own, however deep', () => {
    const nested = `location /a { ${guard} location /a/b { location ~ c { } } }`;
    expect(checkPlacement(inServer(`${server} ${nested}`), dir)).toEqual([
      expect.stringMatching(/^location \/a\/b of server a.example: it is inside location \/a of server a.example, which is guarded/), // prettier-ignore
      expect.stringMatching(/^location ~ c of server a.example: it is inside location \/a /),
    ]);
  });

  it('takes the includes of another folder for what they are', () => {
    expect(checkPlacement(inServer(`set $a b; include /etc/nginx/conf.d/server.conf;`), dir)).toEqual([]);
  });

  it('knows an include that is relative to nginx.conf', () => {
    expect(checkPlacement(inServer('set $a b; include keygate/server.conf;'), dir)).toHaveLength(1);
    expect(checkPlacement(inServer('set $a b; include other/server.conf;'), dir)).toEqual([]);
  });

  it('reads a torn configuration to its end', () => {
    expect(checkPlacement(`} } http { server { ${server} location /a {`, dir)).toEqual([]);
  });
});
