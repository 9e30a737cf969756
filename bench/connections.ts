// A client of our own: thousands of kept HTTP/1.1 connections, each of which asks when it is told to.

import { connect, type Socket } from 'node:net';

export interface Connection {
  /**
   * @returns the status of the answer as soon as its first bytes are there; 0 when the connection was closed instead
   */
  ask: (path: string) => Promise<number>;
  close: () => void;
}

/** Opens connections, one after the other; each has been answered once. */
export async function openConnections(port: number, count: number, headers: string): Promise<Connection[]> {
  const connections: Connection[] = [];
  for (let i = 0; i < count; i++) connections.push(await openOne(port, headers));
  await askEach(connections, '/', 16);
  return connections;
}

async function openOne(port: number, headers: string): Promise<Connection> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  socket.on('error', () => {}); // `close` follows
  const ask = (path: string) => {
    const answer = firstStatus(socket);
    socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${headers}\r\n`);
    return answer;
  };
  return { ask, close: () => socket.destroy() };
}

function firstStatus(socket: Socket): Promise<number> {
  return new Promise((resolve) => {
    const onClose = () => resolve(0);
    socket.once('close', onClose);
    socket.once('data', (data: Buffer) => {
      socket.off('close', onClose).resume();
      resolve(Number(data.toString('latin1', 9, 12)));
    });
  });
}

/**
 * Asks once over each connection, `atOnce` connections at the same time.
 * @throws Error when an answer was no 200
 */
export async function askEach(connections: Connection[], path: string, atOnce: number): Promise<void> {
  const left = [...connections];
  const work = async () => {
    for (let one = left.pop(); one !== undefined; one = left.pop()) {
      const status = await one.ask(path);
      if (status !== 200) throw new Error(`${path}: answered with ${status}`);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
}
