// An operator, or a script of theirs, that asks how the gateway is: the built program against servers that stand in for
// the metrics port, or for whatever else may listen there.

import { execFile } from 'node:child_process';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { localUrl } from '../../../cli/status/status_command.js';
import { degradedStatus, failingStatus, okStatus } from '../../monitoring/statuses.js';

const program = join(import.meta.dirname, '../../../dist/keygate_command.js');
const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/** @returns the port of a server on loopback */
async function serve(answer: RequestListener): Promise<number> {
  const server = createServer(answer);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

const serveText = (text: string) => serve((_, response) => response.end(text));

interface Ran {
  code: number;
  out: string;
  err: string;
}

function status(args: string[], env: { [name: string]: string } = {}): Promise<Ran> {
  const options = { cwd: tmpdir(), env: { ...process.env, ...env } };
  return new Promise((resolve) => {
    execFile(process.execPath, [program, 'status', ...args], options, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    );
  });
}

describe('keygate status', () => {
  it('asks METRICS_PORT for /status.json and ends with 0 when all is ok', async () => {
    const asked: (string | undefined)[] = [];
    const port = await serve((request, response) => {
      asked.push(`${request.method} ${request.url} ${request.headers.host}`);
      response.end(JSON.stringify(okStatus));
    });
    const ran = await status([], { METRICS_PORT: String(port) });
    expect(ran).toMatchObject({ code: 0, err: '' });
    expect(asked).toEqual([`GET /status.json 127.0.0.1:${port}`]);
    const lines = ran.out.split('\n');
    expect(lines[0]).toBe('Keygate is OK');
    expect(lines).toContain('As of 2026-11-28 03:30:12 UTC, up for 3 d 4 h since 2026-11-24 23:30:12 UTC');
    expect(lines).toContain('Keygate 0.1.0, nginx 1.30.6, njs 1.0.2 (engine qjs)');
    expect(lines).toContain('  API keys     ok     4 keys, taken up 1 d ago');
    expect(lines).toContain('  missing_credential    611');
    expect(lines).toContain('  Ab3dE6gH  2,101,200       12  1 s ago, 2026-11-28 03:30:11 UTC');
    expect(lines).toContain('  keygate_state     304.0 KB   8.0 MB  3.7 %');
  });

  it.each([
    ['degraded', degradedStatus],
    ['failing', failingStatus],
  ])('ends with 1 and says what is wrong when the gateway is %s', async (word, told) => {
    const port = await serveText(JSON.stringify(told));
    const ran = await status(['--url', `http://127.0.0.1:${port}`]);
    expect(ran).toMatchObject({ code: 1, err: '' });
    const lines = ran.out.split('\n');
    expect(lines[0]).toBe(`Keygate is ${word}`);
    expect(lines.slice(1, 1 + told.problems.length)).toEqual(told.problems.map((problem) => `  ! ${problem}`));
  });

  it('prints printable ASCII alone, whatever ids and reasons hold', async () => {
    const key = '\u001b[31mred\u202e\r\nKeygate is OK é';
    const told = {
      ...failingStatus,
      version: key,
      problems: [key],
      refusals: [{ reason: key, count: 1 }],
      keys: { ...failingStatus.keys, used: [{ key, requests: 1, refusals: 1, lastUsed: null }] },
      jwks: [{ source: key, keys: 1, ageSeconds: null, faulty: true }],
      zones: [{ zone: key, bytes: 0, used: 0 }],
    };
    const port = await serveText(JSON.stringify(told));
    const { out } = await status(['--url', `http://127.0.0.1:${port}`]);
    expect(out).toMatch(/^[\x20-\x7e\n]*$/);
    expect(out.split('\\u001b[31mred\\u202e\\u000d\\u000aKeygate is OK \\u00e9').length - 1).toBe(6);
    expect(out.split('\n').filter((line) => line.startsWith('Keygate is'))).toEqual(['Keygate is failing']);
  });

  it('prints the status itself with --json', async () => {
    const port = await serveText(JSON.stringify(degradedStatus));
    const ran = await status(['--url', `http://127.0.0.1:${port}/`, '--json']);
    expect(ran.code).toBe(1);
    expect(JSON.parse(ran.out)).toEqual(degradedStatus);
  });

  it.each(['', '/', '/status', '/status.json', '/status?x=1#y'])(
    'takes the address with %j at its end',
    async (end) => {
      const port = await serve((request, response) => {
        response.statusCode = request.url === '/status.json' ? 200 : 404;
        response.end(JSON.stringify(okStatus));
      });
      expect(await status(['--url', `http://127.0.0.1:${port}${end}`])).toMatchObject({ code: 0 });
    },
  );
});

describe('keygate status without a gateway', () => {
  it('ends with 1 and a hint when nothing listens', async () => {
    const port = await serveText('');
    servers.splice(0).forEach((server) => server.close());
    const ran = await status([], { METRICS_PORT: String(port) });
    expect(ran).toMatchObject({ code: 1, out: '' });
    expect(ran.err).toBe(
      `keygate: nothing answers at http://127.0.0.1:${port}/status.json\n` +
        'hint: is the gateway running? in Docker: ' +
        'docker compose exec nginx curl -s http://127.0.0.1:9145/status.json\n',
    );
  });

  it.each<[string, RequestListener, string]>([
    ['answers with a page', (_, response) => response.end('<html>'), 'expected a JSON object'],
    ['answers with other JSON', (_, response) => response.end('{"status":"ok"}'), 'problems: expected a list'],
    ['knows no such path', (_, response) => response.writeHead(404).end(), 'answers with status 404'],
    ['redirects', (_, response) => response.writeHead(302, { location: '/status' }).end(), 'answers with status 302'],
    ['never stops', (_, response) => endless(response), 'answers with more than 1048576 bytes'],
    ['breaks off', (_, response) => void response.socket?.destroy(), "can't be asked: socket hang up"],
    ['is cut off', (_, response) => cutOff(response), "can't be asked: aborted"],
    ['never answers', () => undefined, 'did not answer within 3 s'],
    ['never ends its answer', (_, response) => void response.write('{'), 'did not answer within 3 s'],
  ])('ends with 1 and says so when another program %s', async (_, answer, said) => {
    const port = await serve(answer);
    const ran = await status([], { METRICS_PORT: String(port) });
    expect(ran).toMatchObject({ code: 1, out: '' });
    expect(ran.err).toContain(`http://127.0.0.1:${port}/status.json`);
    expect(ran.err).toContain(said);
    expect(ran.err).toContain('\nhint: ');
  });

  it.each(['ftp://127.0.0.1', '127.0.0.1:9145', ''])('refuses %j as an address', async (url) => {
    const ran = await status(['--url', url]);
    expect(ran).toMatchObject({ code: 1, out: '' });
    expect(ran.err).toContain('--url: expected an address starting with http:// or https://');
  });

  it('says that METRICS_PORT is off', () => {
    expect(() => localUrl('off')).toThrow('METRICS_PORT is off, so the gateway tells nobody its status');
  });
});

function cutOff(response: Parameters<RequestListener>[1]): void {
  response.write('{', () => response.destroy());
}

function endless(response: Parameters<RequestListener>[1]): void {
  const part = Buffer.alloc(65536, 0x20);
  const more = () => {
    while (!response.destroyed && response.write(part));
    if (!response.destroyed) response.once('drain', more);
  };
  more();
}
