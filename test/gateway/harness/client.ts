// Requests as clients send them: well-formed ones, and bytes as they are.

import { request } from 'node:https';
import { request as plainRequest } from 'node:http';
import { connect } from 'node:tls';

export interface Answered {
  status: number;
  headers: { [name: string]: string | string[] | undefined };
  body: string;
  json: () => { error: { type: string; code: string; message: string }; [name: string]: unknown };
}

export interface Sending {
  method?: string;
  headers?: { [name: string]: string | string[] };
  body?: string | Buffer;
  /** The local address to come from: another client for the limits. */
  from?: string;
  /** A certificate to show, with its private key (PEM). */
  certificate?: { cert: string; key: string };
}

/** Sends one request on a connection of its own. */
export function send(url: string, path: string, sending: Sending = {}): Promise<Answered> {
  const { method = 'GET', headers = {}, body, from, certificate = {} } = sending;
  return new Promise((resolve, reject) => {
    const options = { method, headers, agent: false as const, path, rejectUnauthorized: false, ...certificate };
    const start = url.startsWith('https:') ? request : plainRequest;
    const sent = start(url, from === undefined ? options : { ...options, localAddress: from }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(parts).toString();
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: text,
          json: () => JSON.parse(text) as ReturnType<Answered['json']>,
        });
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

/** Sends bytes over TLS and returns all that comes back until the end of the connection, or for `waitMs`. */
export function sendRaw(url: string, bytes: string | Buffer, waitMs = 2000): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false }, () => {
      socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
    });
    const finish = () => {
      clearTimeout(timer);
      socket.destroy();
      resolve(Buffer.concat(parts).toString('latin1'));
    };
    const timer = setTimeout(finish, waitMs);
    socket.on('data', (part: Buffer) => parts.push(part));
    socket.on('error', (error) => (parts.length > 0 ? finish() : reject(error)));
    socket.on('close', finish);
  });
}

/**
 * Sends requests on one connection, one behind the other, without waiting for answers.
 * @returns the statuses that came back; fewer than requests when nginx closed the connection after one of them
 */
export function sendPipelined(url: string, requests: string[], waitMs = 20000): Promise<number[]> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false }, () => {
      socket.write(Buffer.from(requests.join(''), 'latin1'));
    });
    const finish = () => {
      clearTimeout(timer);
      socket.destroy();
      resolve([...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status)));
    };
    const timer = setTimeout(() => reject(new Error(`no answer in ${waitMs} ms after\n${text}`)), waitMs);
    socket.on('data', (part: Buffer) => {
      text += part.toString('latin1');
      const isOver = /^Connection: close\r$/m.test(text) && text.endsWith('}');
      if (isOver || (text.match(/HTTP\/1\.1 \d/g)?.length === requests.length && text.endsWith('}'))) finish();
    });
    socket.on('error', () => finish());
    socket.on('close', finish);
  });
}

/** The status line's number in a raw answer; 0 when there is none. */
export function rawStatus(answer: string): number {
  return Number(/^HTTP\/1\.[01] (\d{3})/.exec(answer)?.[1] ?? 0);
}
