// Applications behind fastcgi_pass, uwsgi_pass, scgi_pass and grpc_pass that answer with what reached them.

import { createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';

export interface Responder {
  /** `address:port` for nginx. */
  address: string;
  /** Names and values of each request, in the order in which they came. */
  arrived: [name: string, value: string][][];
  close: () => void;
}

type Protocol = 'fastcgi' | 'uwsgi' | 'scgi';
type Parsed = [name: string, value: string][];

/** Starts an application that speaks one of the CGI-like protocols. */
export async function startResponder(protocol: Protocol): Promise<Responder> {
  const arrived: Parsed[] = [];
  const server = createServer((socket) => {
    let bytes = Buffer.alloc(0);
    let isAnswered = false;
    socket.on('error', () => undefined);
    socket.on('data', (part: Buffer) => {
      bytes = Buffer.concat([bytes, part]);
      const parsed = isAnswered ? undefined : parsers[protocol](bytes);
      if (parsed === undefined) return;
      isAnswered = true;
      arrived.push(parsed);
      answer(socket, protocol);
    });
  });
  return listen(server, arrived);
}

const parsers: { [protocol in Protocol]: (bytes: Buffer) => Parsed | undefined } = {
  fastcgi: parseFastcgi,
  uwsgi: parseUwsgi,
  scgi: parseScgi,
};

// FastCGI 1.0 section 3.3: records of type PARAMS (4) until an empty one, then STDIN (5) until an empty one.
function parseFastcgi(bytes: Buffer): Parsed | undefined {
  const params: Buffer[] = [];
  for (let at = 0; at + 8 <= bytes.length;) {
    const length = bytes.readUInt16BE(at + 4);
    if (bytes[at + 1] === 4) params.push(bytes.subarray(at + 8, at + 8 + length));
    if (bytes[at + 1] === 5 && length === 0) return readPairs(Buffer.concat(params));
    at += 8 + length + (bytes[at + 6] ?? 0);
  }
  return undefined;
}

// Section 3.4: a length is one byte, or four with the first bit set.
function readPairs(bytes: Buffer): Parsed {
  const pairs: Parsed = [];
  let at = 0;
  const readLength = () => {
    const isLong = (bytes[at] ?? 0) > 127;
    const length = isLong ? bytes.readUInt32BE(at) & 0x7fffffff : (bytes[at] ?? 0);
    at += isLong ? 4 : 1;
    return length;
  };
  const take = (length: number) => bytes.toString('latin1', at, (at += length));
  while (at < bytes.length) {
    const [name, value] = [readLength(), readLength()];
    pairs.push([take(name), take(value)]);
  }
  return pairs;
}

function parseUwsgi(bytes: Buffer): Parsed | undefined {
  if (bytes.length < 4 || bytes.length < 4 + bytes.readUInt16LE(1)) return undefined;
  const pairs: Parsed = [];
  const end = 4 + bytes.readUInt16LE(1);
  let at = 4;
  const take = () => {
    const start = at + 2;
    at = start + bytes.readUInt16LE(at);
    return bytes.toString('latin1', start, at);
  };
  while (at < end) pairs.push([take(), take()]);
  return pairs;
}

function parseScgi(bytes: Buffer): Parsed | undefined {
  const colon = bytes.indexOf(':');
  const length = Number(bytes.toString('latin1', 0, colon));
  if (colon < 0 || bytes.length < colon + 1 + length) return undefined;
  const parts = bytes.toString('latin1', colon + 1, colon + 1 + length).split('\0');
  return Array.from({ length: Math.floor(parts.length / 2) }, (_, i) => [parts[2 * i] ?? '', parts[2 * i + 1] ?? '']);
}

function answer(socket: Socket, protocol: Protocol): void {
  const body = `${protocol} application`;
  if (protocol === 'uwsgi') {
    socket.end(`HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n${body}`);
  } else if (protocol === 'scgi') {
    socket.end(`Status: 200 OK\r\nContent-Type: text/plain\r\n\r\n${body}`);
  } else {
    const content = Buffer.from(`Content-Type: text/plain\r\n\r\n${body}`);
    socket.end(Buffer.concat([record(6, content), record(6, Buffer.alloc(0)), record(3, Buffer.alloc(8))]));
  }
}

function record(type: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.from([1, type, 0, 1, content.length >> 8, content.length & 255, 0, 0]), content]);
}

/** Starts a gRPC service: HTTP/2 without TLS, an empty message and trailers. */
export function startGrpcService(): Promise<Responder> {
  const arrived: Parsed[] = [];
  const server = createHttp2Server();
  server.on('stream', (stream: ServerHttp2Stream, _headers: object, _flags: number, rawHeaders: string[]) => {
    const pairs: Parsed = [];
    for (let i = 0; i < rawHeaders.length; i += 2) pairs.push([rawHeaders[i] ?? '', rawHeaders[i + 1] ?? '']);
    arrived.push(pairs);
    stream.on('error', () => undefined);
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(Buffer.from([0, 0, 0, 0, 0]));
  });
  return listen(server as unknown as Server, arrived);
}

function listen(server: Server, arrived: Parsed[]): Promise<Responder> {
  return new Promise((resolve) =>
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      resolve({ address: `127.0.0.1:${port}`, arrived, close: () => server.close() });
    }),
  );
}
