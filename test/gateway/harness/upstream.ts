// An upstream that remembers what reached it.

import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Arrived {
  method: string;
  target: string;
  headers: IncomingHttpHeaders;
  rawHeaders: string[];
  body: Buffer;
}

export interface TestUpstream {
  url: string;
  arrived: Arrived[];
  close: () => Promise<void>;
}

/** What an upstream answers beside its body. */
export interface Conduct {
  status?: number;
  headers?: { [name: string]: string };
  body?: string;
}

/**
 * Starts an upstream on loopback that answers 200 `upstream` with the headers of `answerHeaders`, or as `conduct` says.
 */
export async function startUpstream(
  answerHeaders: { [name: string]: string } = {},
  conduct: (arrived: Arrived) => Conduct = () => ({}),
): Promise<TestUpstream> {
  const arrived: Arrived[] = [];
  const server = createServer({ maxHeaderSize: 131072 }, (request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const one = {
        method: request.method ?? '',
        target: request.url ?? '',
        headers: request.headers,
        rawHeaders: request.rawHeaders,
        body: Buffer.concat(parts),
      };
      arrived.push(one);
      const { status = 200, headers = {}, body = 'upstream' } = conduct(one);
      response.writeHead(status, { 'content-type': 'text/plain', ...answerHeaders, ...headers });
      response.end(body);
    });
  });
  await listen(server);
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, arrived, close: () => close(server) };
}

function listen(server: Server): Promise<void> {
  return new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
}

function close(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}
