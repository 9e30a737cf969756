// An upstream of openai's realtime API, as far as its handshake.

import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';

/** A server of WebSockets that takes the subprotocol `realtime`, says hello, and remembers what reached it. */
export interface RealtimeServer {
  server: Server;
  url: string;
  arrived: IncomingMessage[];
}

/** Starts one on loopback. */
export async function startRealtime(): Promise<RealtimeServer> {
  const arrived: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    arrived.push(request);
    response.end('upstream');
  });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex) => {
    arrived.push(request);
    const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((one) => one.trim());
    const accept = createHash('sha1')
      .update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest('base64');
    const chosen = offered.includes('realtime') ? 'Sec-WebSocket-Protocol: realtime\r\n' : '';
    const hello = Buffer.from(JSON.stringify({ type: 'session.created', event_id: 'e1', session: {} }));
    socket.on('error', () => undefined);
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Accept: ${accept}\r\n${chosen}\r\n`,
    );
    socket.write(Buffer.concat([Buffer.from([0x81, hello.length]), hello]));
    socket.on('data', () => socket.end());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { server, url: `http://127.0.0.1:${port}`, arrived };
}
