// Many requests in a short time: clients that keep their connections, without the cost of an HTTP client.

import { connect, type TLSSocket } from 'node:tls';

export interface ManyRequests {
  /** Of all connections together. */
  count: number;
  connections: number;
  path?: string;
  headers?: { [name: string]: string };
}

/**
 * Sends requests, on each connection one after the other. Where nginx closed a connection under a request before a byte
 * of its answer, the request is sent again: nginx has not read it.
 * @returns how many answers had each status
 */
export async function sendMany(url: string, many: ManyRequests): Promise<{ [status: string]: number }> {
  const { count, connections, path = '/v1/models', headers = {} } = many;
  const lines = [`GET ${path} HTTP/1.1`, 'Host: localhost', ...Object.entries(headers).map((one) => one.join(': '))];
  const client = { url, request: `${lines.join('\r\n')}\r\n\r\n`, left: count, statuses: {} };
  await Promise.all(Array.from({ length: connections }, () => sendInTurn(client)));
  return client.statuses;
}

interface Client {
  url: string;
  request: string;
  /** Requests that nobody has begun. */
  left: number;
  statuses: { [status: string]: number };
}

async function sendInTurn(client: Client): Promise<void> {
  let isDue = false; // a request that was begun and has no answer
  while (isDue || client.left > 0) {
    if (!isDue) client.left--;
    isDue = await sendOnOneConnection(client);
  }
}

// Resolves with whether a request was begun and not answered.
function sendOnOneConnection(client: Client): Promise<boolean> {
  const { hostname, port } = new URL(client.url);
  return new Promise((resolve, reject) => {
    let text = '';
    let isDue = true;
    const socket: TLSSocket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false }, () =>
      socket.write(client.request),
    );
    socket.setNoDelay(true);
    socket.setEncoding('latin1');
    socket.on('data', (part: string) => {
      text += part;
      const status = takeAnswer(text);
      if (status === undefined) return;
      text = '';
      client.statuses[status] = (client.statuses[status] ?? 0) + 1;
      isDue = client.left > 0;
      if (!isDue) return void socket.destroy();
      client.left--;
      socket.write(client.request);
    });
    socket.on('error', () => undefined);
    socket.on('close', () => (text === '' ? resolve(isDue) : reject(new Error(`half an answer: ${text}`))));
  });
}

// The status of a whole answer, which has a length or is chunked.
function takeAnswer(text: string): string | undefined {
  const end = text.indexOf('\r\n\r\n') + 4;
  if (end < 4) return undefined;
  const length = /\r\ncontent-length: (\d+)\r\n/i.exec(text.slice(0, end));
  const isWhole = length === null ? text.endsWith('\r\n0\r\n\r\n') : text.length >= end + Number(length[1]);
  return isWhole ? text.slice(9, 12) : undefined;
}
