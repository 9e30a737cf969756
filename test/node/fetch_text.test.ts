// A server of an identity provider that answers well, one that is broken, and one that would like to be taken for it.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Server as TcpServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { buildSync } from 'esbuild';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { fetchText, type Fetch } from '../../node/fetch_text.js';
import { makeAuthority, type Authority } from '../gateway/harness/issuer.js';

const secret = 'token-of-the-api-server';
const dir = mkdtempSync(join(tmpdir(), 'keygate-fetch-'));
const fifo = join(dir, 'fifo');
execFileSync('mkfifo', [fifo]);

let authority: Authority;
let other: Authority;
let server: Server;
let port = 0;
let asked: IncomingMessage[] = [];
let answer: RequestListener = (_, response) => response.end('{}');

beforeAll(async () => {
  [authority, other] = [await makeAuthority(), await makeAuthority()];
  server = createServer(await authority.issue('localhost'), (request, response) => {
    asked.push(request);
    answer(request, response);
  });
  port = await listen(server);
});

afterAll(async () => {
  await closeServer(server);
  rmSync(dir, { recursive: true, force: true });
});

beforeEach(() => {
  asked = [];
  answer = (_, response) => response.end('{}');
});

async function listen(one: Server | TcpServer): Promise<number> {
  await new Promise<void>((listening) => one.listen(0, '127.0.0.1', listening));
  return (one.address() as AddressInfo).port;
}

function closeServer(one: Server): Promise<void> {
  return new Promise((closed) => {
    one.close(() => closed());
    one.closeAllConnections();
  });
}

const fetchFrom = (changed: Partial<Fetch> = {}) =>
  fetchText({
    url: `https://localhost:${port}/keys`,
    caFile: authority.caFile,
    credentialFile: undefined,
    timeoutMs: 20000,
    ...changed,
  });
const write = (name: string, content: string | Buffer) => {
  writeFileSync(join(dir, name), content);
  return join(dir, name);
};
const withBody = (body: string | Buffer, headers: { [name: string]: string } = {}) => {
  answer = (_, response) => response.writeHead(200, headers).end(body);
};
/** Answers; resolves when the connection is closed. */
const closeAfter = (next: RequestListener) =>
  new Promise((resolve) => {
    answer = (request, response) => {
      request.socket.once('close', resolve);
      next(request, response);
    };
  });
const withBytes = (bytes: string) => {
  answer = ({ socket }) => socket.end(bytes);
};

describe('fetchText', () => {
  it('asks for JSON, once, and shows no credential', async () => {
    expect(await fetchFrom({ url: `https://localhost:${port}/a/b?c=d%2Fe` })).toEqual({ text: '{}' });
    expect(asked.map(({ method, url }) => [method, url])).toEqual([['GET', '/a/b?c=d%2Fe']]);
    expect(asked[0]?.headers).toMatchObject({ accept: 'application/json', host: `localhost:${port}` });
    expect(asked[0]?.headers).not.toHaveProperty('authorization');
  });

  it.each([
    ['UTF-8', Buffer.from('{"a":"é日本"}'), '{"a":"é日本"}'],
    ['a byte order mark', Buffer.from('\ufeff{}'), '{}'],
    ['nothing', '', ''],
    ['as many bytes as it takes', 'x'.repeat(131072), 'x'.repeat(131072)],
  ])('brings a body of %s', async (_, body, text) => {
    withBody(body);
    expect(await fetchFrom()).toEqual({ text });
  });

  it('leaves it to others what a text means, whatever its media type', async () => {
    withBody('<html>', { 'content-type': 'text/html; charset=iso-8859-1' });
    expect(await fetchFrom()).toEqual({ text: '<html>' });
  });

  it('puts a character together that arrives in two parts', async () => {
    answer = (_, response) => {
      const bytes = Buffer.from('"é"');
      response.write(bytes.subarray(0, 2), () => setTimeout(() => response.end(bytes.subarray(2)), 20));
    };
    expect(await fetchFrom()).toEqual({ text: '"é"' });
  });

  it.each([201, 203, 204, 206, 300, 301, 302, 303, 304, 307, 308, 400, 401, 404, 410, 429, 500, 503])(
    'faults the status %i, and follows no redirect',
    async (status) => {
      const location = `https://localhost:${port}/elsewhere`;
      answer = ({ url }, response) =>
        url === '/keys' ? response.writeHead(status, { location }).end('{}') : response.end('{"stolen":1}');
      expect(await fetchFrom()).toEqual({ fault: `expected status 200, got ${status}` });
      expect(asked).toHaveLength(1);
    },
  );

  it.each([
    ['and waits', (socket: Socket, bytes: string) => socket.write(bytes)],
    ['and ends', (socket: Socket, bytes: string) => socket.end(bytes)],
  ])('faults a server that switches protocols %s, and closes the connection', async (_, send) => {
    const closed = closeAfter(({ socket }) =>
      send(socket, 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n{}'),
    );
    expect(await fetchFrom({ timeoutMs: 60000 })).toEqual({ fault: 'expected status 200, got 101' });
    await closed;
  });

  it.each([
    [200, 'more than 128 KB'],
    [500, 'expected status 200, got 500'],
  ])('reads no more than it takes of a %i whose body has no end, and closes the connection', async (status, fault) => {
    const closed = closeAfter((_, response) => {
      const more = () => response.write('x'.repeat(16384), (error) => (error ? undefined : setImmediate(more)));
      response.writeHead(status);
      more();
    });
    expect(await fetchFrom({ timeoutMs: 60000 })).toEqual({ fault });
    await closed;
  });

  it.each([
    ['with its length', (body: string) => withBody(body, { 'content-length': String(body.length) })],
    [
      'in chunks',
      (body: string) => (answer = (_, response) => (response.write(body.slice(0, 5)), response.end(body.slice(5)))),
    ],
  ])('faults a body of one byte too many %s', async (_, send) => {
    send('x'.repeat(131073));
    expect(await fetchFrom()).toEqual({ fault: 'more than 128 KB' });
  });

  it.each([
    ['Latin-1', Buffer.from([0x22, 0xe9, 0x22]), 'not UTF-8'],
    ['a lone surrogate', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), 'not UTF-8'],
    ['UTF-16', Buffer.from('\ufeff{}', 'utf16le'), 'UTF-16'],
    ['NUL bytes', Buffer.alloc(5), 'NUL'],
    ['gzip, for which nobody asked', gzipSync('{}'), 'not UTF-8'],
    ['a character that is cut off', Buffer.from('é').subarray(0, 1), 'not UTF-8'],
  ])('faults a body of %s', async (_, body, said) => {
    withBody(body);
    expect(await fetchFrom()).toEqual({ fault: expect.stringContaining(said) as string });
  });

  it.each([
    ['nothing at all', ''],
    ['another protocol', 'SSH-2.0-x\r\n'],
    ['a header of 100 KB', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(100000)}\r\n\r\n{}`],
    ['less than it promised', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}'],
    ['chunks without the last', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n'],
    ['a chunk that is none', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\nzz\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}'],
    ['a length and chunks', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['an early hint alone', 'HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n'],
  ])('faults a server that sends %s', async (_, bytes) => {
    withBytes(bytes);
    expect(await fetchFrom()).toEqual({ fault: expect.stringMatching(/^(?:ECONNRESET|HPE_\w+) /) as string });
  });

  it('reads the first answer of several', async () => {
    const one = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n';
    withBytes(`HTTP/1.1 103 Early Hints\r\n\r\n${one}{}${one}[]`);
    expect(await fetchFrom()).toEqual({ text: '{}' });
  });
});

describe('a server that takes its time', () => {
  const drip = (head: string, more: string) => (request: IncomingMessage) => {
    request.socket.write(head);
    const timer = setInterval(() => request.socket.write(more), 20);
    request.socket.once('close', () => clearInterval(timer));
  };

  it.each<[string, RequestListener]>([
    ['says nothing', () => undefined],
    ['never ends its headers', drip('HTTP/1.1 200 OK\r\n', 'a: b\r\n')],
    ['never ends its body', drip('HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n', ' ')],
    ['sends a body without length for ever', drip('HTTP/1.1 200 OK\r\n\r\n', ' ')],
    ['only ever hints', drip('', 'HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n')],
    ['says to go on', drip('', 'HTTP/1.1 100 Continue\r\n\r\n')],
  ])('is given up when it %s', async (_, slow) => {
    answer = slow;
    expect(await fetchFrom({ timeoutMs: 300 })).toEqual({ fault: 'no answer in time' });
  });

  it('is given up when it takes a connection and speaks no TLS', async () => {
    const open: Socket[] = [];
    const silent = createTcpServer((socket) => open.push(socket.on('error', () => undefined)));
    const silentPort = await listen(silent);
    const url = `https://localhost:${silentPort}/`;
    expect(await fetchFrom({ url, timeoutMs: 300 })).toEqual({ fault: 'no answer in time' });
    open.forEach((socket) => socket.destroy());
    silent.close();
  });
});

describe('the certificate of the server', () => {
  const askOne = async (issued: { key: string; cert: string }, host: string, caFile?: string) => {
    const seen: string[] = [];
    const one = createServer(issued, (_: IncomingMessage, response: ServerResponse) => {
      seen.push('asked');
      response.end('{}');
    });
    const url = `https://${host}:${await listen(one)}/`;
    const fetched = await fetchFrom({ url, caFile, credentialFile: write('credential', secret) });
    await closeServer(one);
    return { fetched, seen };
  };

  it.each(['localhost', '127.0.0.1'])('counts for the %s that it holds', async (host) => {
    const { fetched } = await askOne(await authority.issue(host), host, authority.caFile);
    expect(fetched).toEqual({ text: '{}' });
  });

  it.each<[string, () => Promise<{ key: string; cert: string }>, string, RegExp]>([
    ['is of another authority', () => other.issue('localhost'), 'localhost', /certificate/i],
    ['is of another host', () => authority.issue('other.test'), 'localhost', /ALTNAME/],
    ['is of a name, for an address', () => authority.issue('localhost'), '127.0.0.1', /ALTNAME/],
    ['is of another address', () => authority.issue('127.0.0.2'), '127.0.0.1', /ALTNAME/],
    ['is of an address, for a name', () => authority.issue('127.0.0.1'), 'localhost', /ALTNAME/],
    ['has expired', () => authority.issue('localhost', true), 'localhost', /EXPIRED/],
  ])('does not count where it %s: nothing is sent', async (_, issue, host, said) => {
    const { fetched, seen } = await askOne(await issue(), host, authority.caFile);
    expect(fetched).toEqual({ fault: expect.stringMatching(said) as string });
    expect(seen).toEqual([]);
  });

  it("does not count where only the system's authorities do", async () => {
    const { fetched, seen } = await askOne(await authority.issue('localhost'), 'localhost');
    expect(fetched).toHaveProperty('fault');
    expect(seen).toEqual([]);
  });

  it.each<[string, () => string, string]>([
    ['is missing', () => join(dir, 'missing'), 'ca: ENOENT'],
    ['is a directory', () => dir, 'ca: not a regular file'],
    ['is a FIFO', () => fifo, 'ca: not a regular file'],
    ['is a device without end', () => '/dev/zero', 'ca: not a regular file'],
    ['is larger than 1 MB', () => write('large', Buffer.alloc(1048577)), 'ca: larger than 1 MB'],
    ['holds no certificate', () => write('text', 'no certificate'), ''],
    ['is empty', () => write('empty', ''), ''],
    [
      'holds a damaged one',
      () => write('damaged', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'),
      '',
    ],
  ])('does not count where the file of authorities %s', async (_, file, said) => {
    expect(await fetchFrom({ caFile: file() })).toEqual({ fault: expect.stringContaining(said) as string });
    expect(asked).toEqual([]);
  });
});

describe('the credential', () => {
  it('is read anew each time, without the white space around it', async () => {
    for (const content of [secret, ` ${secret}-2\r\n`, '~!"\\']) {
      await fetchFrom({ credentialFile: write('credential', content) });
      expect(asked.pop()?.headers).toMatchObject({
        authorization: `Bearer ${content.trim()}`,
        accept: 'application/json',
      });
    }
  });

  it('may be long, and no longer', async () => {
    answer = (_, response) => response.writeHead(200).end();
    expect(await fetchFrom({ credentialFile: write('credential', 'x'.repeat(8000)) })).toEqual({ text: '' });
    expect(await fetchFrom({ credentialFile: write('credential', 'x'.repeat(16385)) })).toEqual({
      fault: expect.stringMatching(/^credential: larger than /) as string,
    });
  });

  it.each([
    ['is empty', ''],
    ['is white space', ' \n'],
    ['has two words', `Bearer ${secret}`],
    ['would add a header', `${secret}\r\nX-Evil: 1`],
    ['has two lines', `${secret}\n${secret}`],
    ['is no ASCII', `${secret}é`],
    ['has a NUL', `${secret}\0`],
  ])('is no token where its file %s: nobody is asked, and nobody is told', async (_, content) => {
    const fetched = await fetchFrom({ credentialFile: write('credential', content) });
    expect(fetched).toEqual({ fault: 'credential: expected a token' });
    expect(asked).toEqual([]);
  });

  it.each<[string, () => string, string]>([
    ['is missing', () => join(dir, 'missing'), 'credential: ENOENT'],
    ['is a directory', () => dir, 'credential: not a regular file'],
    ['is a FIFO', () => fifo, 'credential: not a regular file'],
  ])('is none where its file %s: nobody is asked', async (_, file, fault) => {
    expect(await fetchFrom({ credentialFile: file() })).toEqual({ fault });
    expect(asked).toEqual([]);
  });

  it('stands in no fault', async () => {
    answer = ({ headers }, response) => response.writeHead(401, headers.authorization).end(headers.authorization);
    const credentialFile = write('credential', secret);
    expect(await fetchFrom({ credentialFile })).toEqual({ fault: 'expected status 200, got 401' });
    const refused = await fetchFrom({ credentialFile, caFile: other.caFile });
    expect(JSON.stringify(refused)).not.toContain(secret);
  });
});

it.each([
  ['http', 'http://localhost/', 'ERR_INVALID_PROTOCOL'],
  ['no URL', 'keys', 'ERR_INVALID_URL'],
  ['a file', 'file:///etc/passwd', 'ERR_INVALID_PROTOCOL'],
  ['a port that nobody listens on', 'https://127.0.0.1:1/', 'ECONNREFUSED'],
])('faults %s', async (_, url, code) => {
  expect(await fetchFrom({ url })).toEqual({ fault: expect.stringContaining(code) as string });
});

const canUnshare = spawnSync('unshare', ['-rn', 'true']).status === 0;
if (!canUnshare) console.warn('SKIPPED: fetch_text without a network needs unshare, and it does not work here');

describe.skipIf(!canUnshare)('fetchText without a network', () => {
  it.each(['https://idp.example/keys', 'https://10.0.0.1/keys'])('says that there is no network for %s', (url) => {
    const program = join(dir, 'fetch.mjs');
    const what = JSON.stringify({ url, timeoutMs: 20000 });
    const contents = `import { fetchText } from './node/fetch_text.ts'; console.log((await fetchText(${what})).fault);`;
    const stdin = { contents, resolveDir: join(import.meta.dirname, '../..'), loader: 'ts' as const };
    buildSync({ stdin, bundle: true, platform: 'node', format: 'esm', target: 'node20', outfile: program });
    const ran = spawnSync('unshare', ['-rn', process.execPath, program], { encoding: 'utf8' });
    expect(ran.stdout, ran.stderr).toMatch(/^there is no network here: (?:EAI_AGAIN|ENETUNREACH|ENOTFOUND) /);
  });
});
