// examples/: configurations as operators have them, before and after Keygate. What is not guarded answers byte for
// byte as before, and applications see the same of it; what is guarded needs a credential.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exchange, placeExample, readExample, type Edition } from './harness/examples.js';
import { startGateway, type Gateway } from './harness/gateway.js';
import { startResponder, type Responder } from './harness/responders.js';
import { startUpstream, type TestUpstream } from './harness/upstream.js';
import { variants } from './harness/variants.js';

const none = {};
const wrong = { 'x-api-key': 'wrong-key' };
const orders = { 'x-api-key': 'key-for-orders' };
const all = { 'x-api-key': 'key-for-everything' };
const keys = 'key-for-orders scope=orders\nkey-for-everything scope=orders,billing,write\n';

const mime = 'types { text/html html; text/css css; application/javascript js; text/plain txt; }';
const fastcgiParams = [
  'QUERY_STRING $query_string',
  'REQUEST_METHOD $request_method',
  'CONTENT_LENGTH $content_length',
  'REQUEST_URI $request_uri',
  'REMOTE_ADDR $remote_addr',
  'REMOTE_USER $remote_user',
]
  .map((one) => `fastcgi_param ${one};`)
  .join('\n');
const site = { '/etc/nginx/mime.types': mime, '/etc/nginx/fastcgi_params': fastcgiParams };

interface Example {
  folder: string;
  files: { [path: string]: string };
  /** Targets of what is not guarded. */
  open: string[];
  /** Targets, and what no key, a wrong one, one for orders and one for everything are answered. */
  guarded: [target: string, ...statuses: number[]][];
}

const table: Example[] = [
  {
    folder: 'api_on_a_site',
    files: {
      ...site,
      '/var/www/html/index.html': '<p>site</p>',
      '/var/www/html/page.php': '<?php',
      '/var/www/html/style.css': 'p {}\n'.repeat(1000),
      '/var/www/html/folder/index.html': 'folder',
      '/var/www/html/404.html': 'nothing here',
      '/var/www/html/.htaccess': 'secret',
    },
    open: [
      '/',
      '/?a=b',
      '/style.css',
      '/folder',
      '/folder/',
      '/page.php',
      '/none.php',
      '/missing',
      '/.htaccess',
      '//style.css',
      '/a%2Fb',
      '/apis/x',
    ],
    guarded: [
      ['/api/x', 401, 401, 200, 200],
      ['/api/x.php', 401, 401, 200, 200],
      ['/api/../api/x?y', 401, 401, 200, 200],
    ],
  },
  {
    folder: 'prefixes',
    files: { '/var/www/docs/readme.txt': 'docs', '/var/www/errors/busy.json': '{}' },
    open: ['/', '/docs/readme.txt', '/docs/', '/docs/none', '/orders/public/list?page=2', '/orders', '/busy.json'],
    guarded: [
      ['/orders/7', 401, 401, 200, 200],
      ['/billing/7', 401, 401, 403, 200],
      ['/orders/public/../7', 401, 401, 200, 200],
      ['/orders/token', 401, 401, 200, 200],
    ],
  },
  {
    folder: 'behind_a_load_balancer',
    files: { ...site, '/var/www/app/index.html': 'app', '/var/www/app/assets/app.js': 'let x;' },
    open: ['/', '/deep/link', '/assets/app.js', '/assets/none.js', '/healthz', '/index.html'],
    guarded: [['/api/x?y=z', 401, 401, 200, 200]],
  },
  {
    folder: 'njs_scripts',
    files: { '/etc/nginx/scripts/visits.js': readExample('njs_scripts', 'scripts/visits.js') },
    open: ['/', '/x?y=z', '/visits', '/visits', '/joined'],
    guarded: [['/api/x', 401, 401, 200, 200]],
  },
];

const opening = (target: string, method = 'GET', more = '') =>
  `${method} ${target} HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n${more}\r\n`;

// Each target as a browser asks for it, and as somebody who knows of Keygate or of HTTP's corners.
const ways = (target: string) => [
  opening(target),
  opening(target, 'HEAD', 'Accept-Encoding: gzip\r\n'),
  opening(target, 'GET', 'Accept-Encoding: gzip\r\nIf-None-Match: "x"\r\n'),
  opening(target, 'GET', 'Range: bytes=0-1\r\nX-Forwarded-For: 192.0.2.7\r\n'),
  opening(target, 'GET', 'Authorization: Bearer key-for-everything\r\nX-Auth-User: root\r\nX-Api-Key: x\r\n'),
  `${opening(target, 'POST', 'Content-Length: 3\r\n')}a=b`,
  opening(target, 'OPTIONS', 'Origin: https://x.example\r\nAccess-Control-Request-Method: POST\r\n'),
  `GET ${target} HTTP/1.0\r\n\r\n`,
  `GET ${target} HTTP/1.1\r\n\r\n`,
];

describe.each(table)('examples/$folder', ({ folder }) => {
  it('is the configuration before, but for the lines that end in # keygate', () => {
    const lines = readExample(folder, 'nginx.keygate.conf').split('\n');
    const added = lines.filter((line) => line.endsWith('# keygate'));
    expect(added.length).toBeGreaterThan(5);
    expect(lines.filter((line) => !added.includes(line)).join('\n')).toBe(readExample(folder, 'nginx.conf'));
  });
});

describe.each(variants)('$name: examples', (variant) => {
  let upstream: TestUpstream;
  let php: Responder;

  beforeAll(async () => {
    upstream = await startUpstream({}, ({ method, target }) => ({ body: `${method} ${target}` }));
    php = await startResponder('fastcgi');
  });

  afterAll(async () => {
    await upstream.close();
    php.close();
  });

  const start = ({ folder, files }: Example, edition: Edition): Promise<Gateway> => {
    const address = new URL(upstream.url).host;
    const applications = {
      'unix:/run/php/php-fpm.sock': php.address,
      '127.0.0.1:8000': address,
      '127.0.0.1:8001': address,
      '127.0.0.1:8002': address,
      '127.0.0.1:3000': address,
      '10.0.0.0/8': '127.0.0.1',
    };
    return startGateway({
      variant,
      keys,
      upstream,
      env: { RATE_LIMIT_AUTH: '1r/m', RATE_LIMIT_AUTH_BURST: '3' },
      sidecar: edition === 'nginx.keygate.conf',
      conf: placeExample(folder, edition, { variant, applications, files }),
    });
  };

  const answersOf = async (gateway: Gateway, targets: string[]) => {
    const answers: unknown[] = [];
    for (const request of targets.flatMap(ways)) {
      const before = [upstream.arrived.length, php.arrived.length] as const;
      const answer = await exchange(gateway.url, request);
      const seen = [
        upstream.arrived.slice(before[0]).map((one) => [one.target, one.rawHeaders, String(one.body)]),
        php.arrived.slice(before[1]),
      ];
      answers.push({
        request,
        answer,
        seen: JSON.parse(JSON.stringify(seen).replaceAll(gateway.dir, '')) as unknown,
      });
    }
    return answers;
  };

  it.each(table)('$folder: what is not guarded answers byte for byte as before', async (example) => {
    const before = await start(example, 'nginx.conf');
    const expected = await answersOf(before, example.open);
    expect(before.errorLog()).not.toMatch(/\[(emerg|alert|warn)\]/);
    await before.stop();
    const after = await start(example, 'nginx.keygate.conf');
    expect(await answersOf(after, example.open)).toEqual(expected);
    const warnings = after
      .errorLog()
      .split('\n')
      .filter((line) => /\[(emerg|alert|warn)\]/.test(line));
    expect(warnings.filter((line) => !line.includes('keygate: API'))).toEqual([]);
    await after.stop();
  });

  it.each(table)('$folder: what is guarded needs a credential', async (example) => {
    const gateway = await start(example, 'nginx.keygate.conf');
    for (const [target, ...expected] of example.guarded) {
      const found = [];
      for (const [index, headers] of [none, wrong, orders, all].entries()) {
        const before = upstream.arrived.length + php.arrived.length;
        const from = `127.0.1.${example.guarded.findIndex(([one]) => one === target) + 1}`; // a budget each
        found.push((await gateway.send(target, { headers: { host: 'www.example.com', ...headers }, from })).status);
        expect(upstream.arrived.length + php.arrived.length - before).toBe(expected[index] === 200 ? 1 : 0);
      }
      expect(found, target).toEqual(expected);
    }
    await gateway.stop();
  });

  it('api_on_a_site: PHP is told who the client is', async () => {
    const gateway = await start(table[0] as Example, 'nginx.keygate.conf');
    await gateway.send('/api/x?y=z', {
      headers: { ...all, authorization: 'Basic cm9vdDp4' },
    });
    await gateway.stop();
    const params = Object.fromEntries(php.arrived.at(-1) ?? []);
    expect(params).toMatchObject({ QUERY_STRING: 'y=z', HTTP_X_AUTH_METHOD: 'api_key' });
    expect(params['SCRIPT_FILENAME']).toMatch(/\/www\/api\/index.php$/);
    expect(params['REMOTE_USER']).toMatch(/^key-/);
    expect(params).not.toHaveProperty('HTTP_X_API_KEY');
    expect(params).not.toHaveProperty('HTTP_AUTHORIZATION');
  });

  it('prefixes: the prefix is cut off, and what the operator sets of headers stays', async () => {
    const gateway = await start(table[1] as Example, 'nginx.keygate.conf');
    const targets = [];
    for (const path of ['/orders/7?a=b', '/billing/7?a=b']) {
      await gateway.send(path, { headers: all });
      const arrived = upstream.arrived.at(-1);
      targets.push([arrived?.target, arrived?.headers['connection'], arrived?.headers['x-auth-method']]);
    }
    expect(targets).toEqual([
      ['/7?a=b', undefined, 'api_key'],
      ['/v2/7?a=b', undefined, 'api_key'],
    ]);
    await gateway.stop();
  });

  it('behind_a_load_balancer: failures count against the real client', async () => {
    const gateway = await start(table[2] as Example, 'nginx.keygate.conf');
    const fail = async (client: string) =>
      (await gateway.send('/api/x', { headers: { ...wrong, 'x-forwarded-for': client } })).status;
    const first = [];
    for (let i = 0; i < 6; i++) first.push(await fail('192.0.2.1'));
    expect(first).toEqual([401, 401, 401, 401, 429, 429]);
    expect(await fail('192.0.2.2')).toBe(401);
    expect(await fail('198.51.100.1, 192.0.2.1')).toBe(429);
    await gateway.send('/api/x', { headers: { ...all, 'x-forwarded-for': '192.0.2.1' } });
    expect(upstream.arrived.at(-1)?.headers['x-forwarded-for']).toBe('192.0.2.1');
    await gateway.stop();
  });
});
