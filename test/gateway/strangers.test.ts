// strangers/: whole configurations of the kind that people run, written after public ones, with and without Keygate's
// lines. What is open answers byte for byte as before; what is guarded gives nothing away, however it is asked for.

import { mkdirSync, readFileSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { preamble, temporaryFolders } from './harness/embedded.js';
import { exchange } from './harness/examples.js';
import { freePort } from './harness/free_port.js';
import { startGateway, type Gateway, type OperatorPlaces } from './harness/gateway.js';
import { startGrpcService, startResponder, type Responder } from './harness/responders.js';
import { startUpstream, type Arrived, type TestUpstream } from './harness/upstream.js';
import { variants } from './harness/variants.js';

const key = 'key-of-the-strangers';
const good = `X-Api-Key: ${key}\r\n`;
const wrong = 'X-Api-Key: wrong\r\n';

/** A configuration, and what the comments at its top say about it. */
interface Stranger {
  name: string;
  conf: string;
  /** Matches `host/path` of what is public. */
  isPublic: RegExp;
  files: { [path: string]: string };
  open: Target[];
  guarded: Target[];
  /** What only the application may send a client to. */
  hidden: Target[];
  /** Public pages that include what is guarded. */
  includes: Target[];
  /** Guarded ones that are reached through an error_page: nginx leaves a refusal its 401 or 403 alone. */
  bare: Target[];
  /** Of servers without Keygate. */
  beside: Target[];
}

interface Target {
  host: string;
  path: string;
}

function readStranger(name: string): Stranger {
  const conf = readFileSync(join(import.meta.dirname, 'strangers', name), 'utf8');
  const all = (label: string) =>
    [...conf.matchAll(new RegExp(`^# ${label}: (.+)$`, 'gm'))].flatMap(([, text = '']) => text.split(' '));
  const host = all('host')[0] ?? /server_name ([^\s;]+)/.exec(conf)?.[1] ?? '';
  const targets = (label: string) =>
    all(label).map((text) => ({ host: text.split('/')[0] || host, path: text.slice(text.indexOf('/')) }));
  const guarded = targets('guarded');
  const include = guarded.filter((one) => one.host === host).map((one) => `<!--#include virtual="${one.path}" -->`);
  const files = [
    ...all('public files').map((path) => [path, `public ${path} ${path.endsWith('.shtml') ? include.join(' ') : ''}`]),
    ...all('guarded files').map((path) => [path, `guarded ${path}`]),
  ];
  return {
    name,
    conf,
    isPublic: new RegExp(all('public').join(' ')),
    files: Object.fromEntries(files) as Stranger['files'],
    open: targets('open'),
    guarded,
    hidden: targets('hidden'),
    includes: targets('includes'),
    bare: targets('bare'),
    beside: targets('beside'),
  };
}

const strangers = readdirSync(join(import.meta.dirname, 'strangers')).map(readStranger);

const opening = ({ host, path }: Target, more = '', method = 'GET') =>
  `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${more}\r\n`;

// Each target as a browser asks for it, and as somebody who knows HTTP's corners.
const ways = (target: Target, more = '') => [
  opening(target, more),
  opening(target, `${more}Accept-Encoding: gzip\r\n`, 'HEAD'),
  opening(target, `${more}If-None-Match: "x"\r\nRange: bytes=0-1\r\nX-Forwarded-For: 192.0.2.7\r\n`),
  `${opening(target, `${more}Content-Length: 3\r\n`, 'POST')}a=b`,
  opening(target, `${more}Upgrade: websocket\r\n`),
  `GET ${target.path} HTTP/1.0\r\nHost: ${target.host}\r\n${more}\r\n`,
  `GET ${target.path} HTTP/1.0\r\n${more}\r\n`,
];

const shout = (text: string) => text.replace(/[a-z]/, (one) => one.toUpperCase());
const encode = (text: string) => `%${text.charCodeAt(0).toString(16)}`;

/** Paths that an application, or another location, may take for this one. */
function disguises(path: string, open: string): string[] {
  const [plain = '', query] = path.split('?');
  const folder = open.slice(0, open.lastIndexOf('/', open.indexOf('?') >>> 0));
  const climb = '/..'.repeat(folder.split('/').length - 1);
  const spellings = [
    shout(plain),
    plain.toUpperCase(),
    plain.replace(/[a-z]/, encode),
    plain.replace(/[a-z]/g, encode),
    `/${plain.slice(1).replaceAll('/', '%2f')}`,
    plain.replace(/[a-z]/, (one) => `%25${encode(one).slice(1)}`),
    `/.${plain}`,
    `/x/..${plain}`,
    `/x/%2e%2e${plain}`,
    `/x/..%2f${plain.slice(1)}`,
    `${plain}/.`,
    `${plain}/x/..`,
    `${folder}${climb}${plain}`,
    `${folder}/${climb.slice(1).replaceAll('.', '%2e')}${plain}`,
    `${folder}${climb.replaceAll('..', '..;')}${plain}`,
    `${folder}/%2e%2e%2f${plain.slice(1)}`,
    `${plain}/..${open}/../..${plain}`,
    `${plain};x=1`,
    `${plain};.js`,
    `${plain}%3b.css`,
    `/${plain}`,
    plain.replaceAll('/', '//'),
    `${plain}/`,
    `${plain}//`,
    ...[
      '.js',
      '.css',
      '/x.js',
      '/x.css?v=1',
      '.php',
      '/index.php',
      '/index.php/x.js',
      '/info/refs',
      '.pdf',
      '.mjs',
      '/x.png',
      '/http-bind',
      '/config.js',
      '%00.js',
      '%0a.js',
      '%20',
      '?x=/y.js',
      '%23.js',
      '%3f.css',
      '\\..\\x',
    ].map((end) => `${plain}${end}`),
    `${plain}?${open}`,
  ];
  return [...new Set(spellings.map((one) => (one.includes('?') || query === undefined ? one : `${one}?${query}`)))];
}

/** Requests for a target that are no plain ones. */
function attacks(stranger: Stranger, target: Target, credential: string): string[] {
  const { host, path } = target;
  const open = stranger.open[1]?.path ?? '/';
  const hosts = [
    'localhost',
    'x_y',
    host.toUpperCase(),
    `${host}.`,
    `${host}:8443`,
    ...stranger.beside.map((one) => one.host),
  ];
  const spoofed = ['X-Original-URL', 'X-Rewrite-URL', 'X-Accel-Redirect'].map((name) => `${name}: ${open}\r\n`);
  return [
    ...ways(target, credential),
    ...disguises(path, open).map((one) => opening({ host, path: one }, credential)),
    ...hosts.map((one) => opening({ host: one, path }, credential)),
    ...['OPTIONS', 'PROPFIND', 'PUT', 'X'].map((method) => opening(target, credential, method)),
    ...spoofed.map((one) => opening(target, credential + one)),
    opening(target, `${credential}Origin: https://x.example\r\nAccess-Control-Request-Method: GET\r\n`, 'OPTIONS'),
    opening({ host, path: `http://${host}${path}` }, credential),
    opening({ host, path: `http://other.example${path}` }, credential),
    opening({ host: 'other.example', path: `HTTP://${host}${path}` }, credential),
    `GET ${path}\r\n`,
    opening(target, `${credential}X-Keygate-Status: 204\r\nX-Keygate-Admitted: api_key\r\n`),
  ];
}

// What nginx takes a request target for (RFC 3986 section 5.2.4, merge_slashes).
function addressOf(request: string): string {
  const [, target = ''] = request.split(' ');
  const absolute = /^http:\/\/([^/]+)(.*)$/is.exec(target);
  const host = absolute?.[1] ?? /^Host: (.*)\r$/m.exec(request)?.[1] ?? '';
  const [path = ''] = (absolute?.[2] ?? target).split(/[?#]/);
  const parts: string[] = [];
  for (const part of decodeURIComponent(path)
    .replaceAll(/\/{2,}/g, '/')
    .split('/')
    .slice(1)) {
    if (part === '..') parts.pop();
    else if (part !== '.') parts.push(part);
  }
  return `${host.toLowerCase()}/${parts.join('/')}`;
}

describe.each(variants.filter(({ entry }) => entry === 'auth_request'))('$name: strangers', (variant) => {
  let before: Gateway;
  let after: Gateway;
  let application: TestUpstream;
  const responders = {} as { [placeholder in 'PHP' | 'UWSGI' | 'GRPC']: Responder };
  const ports: { [edition: string]: { [name: string]: number } } = { before: {}, after: {} };

  beforeAll(async () => {
    application = await startUpstream({}, ({ method, target }) => {
      const to = /[?&]accel=([^&]+)/.exec(target)?.[1];
      return { body: `guarded answer to ${method} ${target}`, headers: to ? { 'x-accel-redirect': to } : {} };
    });
    responders.PHP = await startResponder('fastcgi');
    responders.UWSGI = await startResponder('uwsgi');
    responders.GRPC = await startGrpcService();
    for (const edition of ['before', 'after'])
      for (const { name } of strangers) (ports[edition] ??= {})[name] = await freePort();
    const options = { variant, keys: `${key}\n`, upstream: application };
    before = await startGateway({ ...options, sidecar: false, conf: (places) => configuration('before', places) });
    after = await startGateway({ ...options, conf: (places) => configuration('after', places) });
  });

  afterAll(async () => {
    await before?.stop();
    await after?.stop();
    await application.close();
    for (const one of Object.values(responders)) one.close();
  });

  function configuration(edition: 'before' | 'after', places: OperatorPlaces): string {
    const { dir, port, facts } = places;
    const parts = strangers.map(({ name, conf, files }) => {
      for (const [path, content] of Object.entries(files)) writeOld(join(dir, 'www', path), content);
      let text = conf
        .replaceAll('LISTEN', `127.0.0.1:${ports[edition]?.[name]}`)
        .replaceAll('APPLICATION', new URL(application.url).host)
        .replaceAll(/\b(WWW|CACHE)\b/g, (word) => `${dir}/${word.toLowerCase()}`);
      for (const [placeholder, { address }] of Object.entries(responders))
        text = text.replaceAll(new RegExp(`\\b${placeholder}\\b`, 'g'), address);
      return edition === 'before' ? text : text.replaceAll(/# keygate: (\w+\.conf)/g, 'include keygate/$1;');
    });
    mkdirSync(join(dir, 'cache'), { recursive: true });
    return `${edition === 'before' ? preamble(places).replace(/^load_module.*/, '') : preamble(places)}
http {
    ${temporaryFolders(places)}
    access_log ${facts.accessLog};
    types { text/html html shtml; text/css css; application/javascript js mjs; image/png png; }
    default_type text/plain;
    ${edition === 'before' ? '' : 'include keygate/http.conf;'}
    server { listen 127.0.0.1:${port}; ${
      edition === 'before' ? '' : 'include keygate/locations.conf; include ' + 'keygate/routes.conf;'
    } }
    ${parts.join('\n')}
}
`;
  }

  // All that reached an application, as names and values.
  const arrivedRaw = (): string[][][] => {
    const pairs = (raw: string[]) => raw.flatMap((name, i) => (i % 2 ? [] : [[name, raw[i + 1] ?? '']]));
    const first = (one: Arrived) => ['', `${one.method} ${one.target} ${String(one.body)}`];
    return [
      ...application.arrived.map((one) => [first(one), ...pairs(one.rawHeaders)]),
      ...Object.values(responders).flatMap((one) => one.arrived),
    ];
  };
  // The same without what Keygate adds and takes away.
  const ours = /^(http_)?x[-_](auth[-_](user|issuer|method)|request[-_]id|api[-_]key)$|^remote_user$/i;
  const arrivedNow = () =>
    arrivedRaw().map((one) =>
      one
        .filter(([name = '']) => !ours.test(name))
        .map((pair) => pair.join('='))
        .sort(),
    );
  const forget = () => [application, ...Object.values(responders)].forEach((one) => (one.arrived.length = 0));

  const ask = async (edition: 'before' | 'after', { name }: Stranger, request: string) => {
    forget();
    const port = ports[edition]?.[name] as number;
    const answer = await exchange(`http://127.0.0.1:${port}`, request);
    const seen = JSON.stringify(arrivedNow()).replaceAll(`:${port}`, ':80');
    return { request, answer, seen: seen.replaceAll(edition === 'before' ? before.dir : after.dir, '') };
  };
  const status = (answer: string) => Number(/^HTTP\/1.\d (\d{3})/.exec(answer)?.[1] ?? 0);
  // HTTP/0.9 has no status; a server that knows nobody closes the connection.
  const isRefused = ({ answer, seen }: { answer: string; seen: string }) =>
    seen === '[]' &&
    !answer.includes('guarded') &&
    /^(HTTP\/1.1 [45]|<html>\r\n<head><title>4|{"type":"error"|$)/.test(answer);

  const table = strangers.map((stranger) => [stranger.name.replace('.conf', ''), stranger] as const);

  it('starts without a warning', () => {
    const said = (gateway: Gateway) =>
      gateway
        .errorLog()
        .split('\n')
        .filter((line) => /\[(emerg|alert|warn)\]/.test(line));
    expect([said(before), said(after).filter((line) => !line.includes('keygate: API'))]).toEqual([[], []]);
  });

  it.each(table)('%s: what is open answers byte for byte as before', async (_, stranger) => {
    for (const target of [...stranger.open, ...stranger.beside]) {
      const all = [...ways(target), opening(target, wrong)];
      const isNamed = stranger.beside.includes(target); // the default server is another
      for (const request of isNamed ? all.filter((one) => one.includes('Host: ')) : all) {
        const expected = await ask('before', stranger, request);
        expect(status(expected.answer), request).not.toBe(0);
        expect(await ask('after', stranger, request)).toEqual(expected);
      }
    }
  });

  it.each(table)('%s: what is guarded answers as before with a good key', async (_, stranger) => {
    for (const target of stranger.guarded) {
      for (const [index, request] of ways(target, good).entries()) {
        const expected = await ask('before', stranger, ways(target)[index] as string);
        expect({ ...(await ask('after', stranger, request)), request: expected.request }).toEqual(expected);
        for (const one of arrivedRaw()) {
          const users = one.filter(([name = '']) => /^(http_)?x[-_]auth[-_]user$/i.test(name));
          expect(users, request).toEqual([[expect.anything(), expect.stringMatching(/^key-/)]]);
          expect(JSON.stringify(one), request).not.toContain(key);
        }
      }
    }
  });

  it.each(table)('%s: nothing of what is guarded without a good key, however it is asked for', async (_, stranger) => {
    const opened = [];
    for (const target of stranger.guarded) {
      for (const credential of ['', wrong]) {
        const [plainly, ...others] = attacks(stranger, target, credential) as [string, ...string[]];
        const refused = await ask('after', stranger, plainly);
        expect([status(refused.answer), refused.seen], plainly).toEqual([401, '[]']);
        for (const request of others) {
          const got = await ask('after', stranger, request);
          if (isRefused(got)) continue;
          if (stranger.isPublic.test(addressOf(request)) || isBeside(stranger, request))
            expect(got).toEqual(await ask('before', stranger, request));
          else opened.push(got);
        }
      }
    }
    expect(opened).toEqual([]);
  });

  const isBeside = ({ beside }: Stranger, request: string) =>
    beside.some(({ host }) => addressOf(request).startsWith(`${host}/`));

  it.each(table)('%s: an open answer of the application sends nobody to what is guarded', async (_, stranger) => {
    for (const { host, path } of stranger.open) {
      for (const to of [...stranger.guarded, ...stranger.hidden]) {
        const sent = await ask(
          'after',
          stranger,
          opening({ host, path: `${path}${path.includes('?') ? '&' : '?'}accel=${encodeURI(to.path)}` }),
        );
        if (sent.seen === '[]') break; // a file, or nginx itself
        expect([status(sent.answer), sent.answer.includes('guarded')], sent.request).toEqual([401, false]);
        expect(JSON.parse(sent.seen), sent.request).toHaveLength(1);
      }
    }
    for (const hidden of stranger.hidden)
      for (const credential of ['', good])
        expect(isRefused(await ask('after', stranger, opening(hidden, credential)))).toBe(true);
  });

  it.each(table.filter(([, { includes }]) => includes.length > 0))(
    '%s: an open page includes nothing of what is guarded',
    async (_, stranger) => {
      for (const page of stranger.includes) {
        expect((await ask('before', stranger, opening(page))).answer).toContain('guarded');
        for (const credential of ['', wrong, good]) {
          const { answer, seen } = await ask('after', stranger, opening(page, credential));
          expect([status(answer), answer.includes('guarded'), seen]).toEqual([200, false, '[]']);
          expect(answer).toContain('public');
        }
      }
    },
  );

  it.each(table)('%s: nobody says who he is', async (_, stranger) => {
    for (const target of [...stranger.open, ...stranger.guarded])
      for (const claim of [
        'X-Auth-User: root',
        'x-auth-user: 0',
        'X-AUTH-ISSUER: https://x.example',
        'X-Auth-Method: jwt',
      ]) {
        const got = await ask('after', stranger, opening(target, `${claim}\r\n${good}`));
        expect([status(got.answer), got.seen], got.request).toEqual([400, '[]']);
        expect(got.answer).toContain('are not for clients to send');
      }
  });
});

// Of one age, so that ETag and Last-Modified are the same in each place.
function writeOld(path: string, content: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  utimesSync(path, 1700000000, 1700000000);
}
