// What answers in the place of Keygate: each is named, with its line, and what is alike and harmless is not.

import { describe, expect, it } from 'vitest';
import { oneQuestion } from '../../../nginx/placement/answers.js';
import { faultsOf, faultsOfServer, include } from './guarded.js';

const unasked = (line: string) => `\`${line}\` answers before anything is decided`;

describe('what answers unasked', () => {
  it.each([
    'return 200 x',
    'return 204',
    'return 301 /x',
    'return "302" /x',
    'return /x',
    'rewrite ^ /x permanent',
    'rewrite ^ /x redirect',
    'rewrite ^ https://b.example/x',
    'rewrite ^ "$scheme://b.example/x" last',
  ])('is named in a location, in its `if`, and in the server: %s', (line) => {
    expect(faultsOf(`location /a {\n ${line}; }`)).toEqual([`3: location /a of server a: ${unasked(line)}`]);
    expect(faultsOf(`location /a { if ($b) {\n ${line}; } }`)).toEqual([
      `3: location /a of server a: ${unasked(line)}`,
    ]);
    expect(faultsOf(`if ($b) {\n ${line}; }`)).toEqual([`3: server a: ${unasked(line)}`]);
    expect(faultsOf(`location @a {\n ${line}; }`)).toHaveLength(1);
    expect(faultsOf(`location /a { ${include('open')} ${line}; if ($b) { ${line}; } }`)).toEqual([]);
  });

  it.each(['return 404', 'return 444', 'return 503 busy', 'rewrite ^ /x', 'rewrite ^ /x last', 'rewrite ^ /x break'])(
    'is no error, and no rewrite within the server: %s',
    (line) => {
      expect(faultsOf(`location /a { ${line}; if ($b) { ${line}; } }`)).toEqual([]);
    },
  );

  it('shows no more than the beginning of a long line', () => {
    const [fault = ''] = faultsOf(`location /a { return 200 "${'x'.repeat(200)}"; }`);
    expect(fault).toContain('`return 200 "xxx');
    expect(fault.length).toBeLessThan(200);
  });
});

describe('satisfy any', () => {
  const whom = 'lets in without a credential whom an address or a password lets in';

  it('is named, and what lets in under it', () => {
    expect(faultsOf('location /a {\n satisfy any; allow 10.0.0.0/8; deny all; }')).toEqual([
      `3: location /a of server a: \`satisfy any\` ${whom}: take it out`,
    ]);
    expect(faultsOf('location /a { satisfy any; location /a/b {\n allow 10.0.0.1; } location /a/c { } }')).toEqual([
      `2: location /a of server a: \`satisfy any\` ${whom}: take it out`,
      `3: location /a/b of server a: \`allow 10.0.0.1\` under \`satisfy any\` ${whom}`,
    ]);
    expect(faultsOf('location /a { satisfy any; location /a/b {\n auth_basic x; } }')).toHaveLength(2);
    expect(faultsOf('location /a { satisfy any; location /a/b { location /a/b/c { allow all; } } }')).toHaveLength(2);
    expect(faultsOf('location /a { satisfy any; location /a/b { auth_basic off; } }')).toHaveLength(1);
  });

  it('is named beside guard.conf, where nginx takes no second one', () => {
    expect(faultsOf('satisfy any;')).toEqual([
      '2: server a: `satisfy any` stands beside guard.conf, and nginx says `"satisfy" directive is duplicate`: ' +
        'take it out',
    ]);
  });

  it('is no `satisfy all`, nor an allow under that, nor around the server', () => {
    expect(faultsOf('location /a { satisfy all; allow all; location /a/b { allow all; } }', 'satisfy any;')).toEqual(
      [],
    );
    expect(faultsOf('location /a { allow 10.0.0.1; deny all; auth_basic x; }', 'satisfy any;')).toEqual([]);
    expect(faultsOf('location /a { satisfy any; location /a/b { satisfy all; allow all; } }')).toHaveLength(1);
  });
});

describe("an operator's own question", () => {
  const named = (path: string, body: string) => `location = ${path} { ${body} }`;
  const settings = ['jwt_audience', 'jwt_issuer', 'jwt_leeway', 'require_scope', 'hide_token_route']
    .map((name) => `set $keygate_${name} x;`)
    .join(' ');

  it('takes our place in a location', () => {
    const fault = (why: string) => [
      `3: location /a of server a: \`auth_request /mine\` takes the place of Keygate's question: ${why}`,
    ];
    expect(faultsOf('location /a {\n auth_request /mine; location /a/b { } }')).toEqual(
      fault('no credential is checked'),
    );
    expect(faultsOf('location /a {\n auth_request off; }')[0]).toContain('include open.conf instead');
    expect(faultsOf(`location /a { ${include('open')} location /a/b { auth_request /mine; } }`)).toEqual([]);
    expect(
      faultsOf(
        `location /a { ${include('guard_access')} location /a/b { if ($request_length = 0) { return 403; } ` +
          'auth_request /mine; } }',
      ),
    ).toEqual([]);
  });

  it('is one of Keygate where a location of that name includes ask.conf', () => {
    const guarded = 'location /a {\n auth_request /_keygate_ask_a; location /a/b { return 200 x; } }';
    expect(faultsOf(`${guarded} ${named('/_keygate_ask_a', `${settings} ${include('ask')}`)}`)).toEqual([
      `3: location /a/b of server a: ${unasked('return 200 x')}`,
    ]);
    const missing = (server: string) => faultsOf(`${guarded} ${server}`)[0];
    for (const server of [
      '',
      named('/_keygate_ask_b', `${settings} ${include('ask')}`),
      named('/_keygate_ask_a', 'proxy_pass http://own;'),
    ])
      expect(missing(server)).toContain(
        "3: location /a of server a: `auth_request /_keygate_ask_a` takes the place of Keygate's question: no " +
          'location of that name includes ask.conf',
      );
  });

  it('sets all five settings', () => {
    for (const name of ['jwt_audience', 'jwt_issuer', 'jwt_leeway', 'require_scope', 'hide_token_route'])
      expect(
        faultsOf(named('/_keygate_ask_a', `${settings.replace(`set $keygate_${name} x;`, '')} ${include('ask')}`))[0],
      ).toContain(`sets no $keygate_${name}:`);
    const lacking = settings.replace('set $keygate_jwt_leeway x;', '').replace('set $keygate_require_scope x;', '');
    expect(faultsOf(`\n${named('/_keygate_ask_a', `${lacking} ${include('ask')}`)}`)).toEqual([
      '3: location = /_keygate_ask_a of server a: it sets no $keygate_jwt_leeway, $keygate_require_scope: another ' +
        'location may have changed them: set it too',
    ]);
  });

  it('sets a limit where another location sets one', () => {
    const question = named('/_keygate_ask_a', `${settings} ${include('ask')}`);
    expect(faultsOf(`\n${question} location /b { set $keygate_rate_limit_key 1/s; }`)).toEqual([
      '3: location = /_keygate_ask_a of server a: it sets no $keygate_rate_limit_key: another location may have ' +
        'changed them: set it too',
    ]);
  });

  it('can not stand in the same level as ours', () => {
    const fault = (file: string) =>
      `\`auth_request /mine\` stands beside ` +
      `${file}, and nginx says \`"auth_request" directive is duplicate\`: ${oneQuestion}`;
    expect(faultsOf('\nauth_request /mine;')).toEqual([`3: server a: ${fault('guard.conf')}`]);
    expect(
      faultsOfServer(`${include('locations')} location /a {\n${include('guard_location')} auth_request /mine; }`),
    ).toEqual([`3: location /a of server a: ${fault('guard_location.conf')}`]);
    expect(faultsOf(`location /a {\n${include('open')} auth_request /mine; }`)).toEqual([
      `3: location /a of server a: ${fault('open.conf')}`,
    ]);
    expect(
      faultsOfServer(`${include('locations')} auth_request /mine; location /a { ${include('guard_location')} }`),
    ).toEqual([]);
  });

  it('without guard_location.conf around it is only half a guard', () => {
    const question = named('/_keygate_ask_a', `${settings} ${include('ask')}`);
    const faults = faultsOfServer(
      `${include('locations')} ${question} location /a {\n auth_request /_keygate_ask_a; }`,
    );
    expect(faults).toEqual([
      expect.stringMatching(/^2: location \/a of server a: it asks, but no guard_location\.conf is around it/),
    ]);
  });
});

describe('what a guarded location loses', () => {
  it('is our auth_request_set, by one of its own', () => {
    const line = 'auth_request_set $a $upstream_http_b';
    expect(faultsOf(`location /a {\n ${line}; location /a/b { } }`)).toEqual([
      `3: location /a of server a: \`${line}\` drops those of guard.conf: no identity reaches the application, ` +
        'and a 429 becomes a 403: put ' +
        'it beside guard.conf',
    ]);
    expect(faultsOf(`${line};`)).toEqual([]);
    expect(faultsOfServer(`${include('locations')} location /a { ${include('guard_location')} ${line}; }`)).toEqual([]);
    expect(faultsOf(`location /a { ${include('open')} ${line}; }`)).toEqual([]);
  });

  it('is our js_access, by one of its own', () => {
    const nested = (line: string) =>
      `location /a { ${include('guard_access')} location /a/b { if ($request_length = 0) { return 403; }\n${line} } }`;
    expect(faultsOf(nested('js_access own.access;'))).toEqual([
      "3: location /a/b of server a: `js_access own.access` takes the place of Keygate's decision: no credential " +
        'is checked',
    ]);
    expect(faultsOf(nested('auth_request_set $a b;'))).toEqual([]);
    expect(faultsOf('location /a { js_access own.access; }')).toEqual([]);
  });

  it('is the status of a refusal, by an error_page with =200', () => {
    const page = (line: string) => faultsOf(`location /a {\n ${line}; }`);
    expect(page('error_page 401 403 =200 /x')).toEqual([
      "3: location /a of server a: `error_page 401 403 =200 /x` takes the place of Keygate's answer: a " +
        'refusal is a 200',
    ]);
    expect(page('error_page 403 =204 /x')[0]).toContain('a refusal is a 204');
    expect(page('error_page 403 =404 /x')[0]).toMatch(/takes the place of Keygate's answer$/);
  });
});
