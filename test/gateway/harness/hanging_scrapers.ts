// Scrapers that hold their connections: they send nothing, half a request, a byte now and then, or read no answer.

import { connect, type Socket } from 'node:net';

const whole = 'GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n';
const byteEveryMs = 300;

const ways: ((socket: Socket) => void)[] = [
  (socket) => socket.resume(),
  (socket) => socket.resume().write(whole.slice(0, 30)),
  (socket) => {
    socket.resume();
    let sent = 0;
    const timer = setInterval(() => socket.write(whole.charAt(sent++ % 30)), byteEveryMs);
    socket.once('close', () => clearInterval(timer));
  },
  (socket) => socket.pause().write(whole.repeat(400)),
];

export interface HangingScrapers {
  /** Opens no connection again, and waits until nginx has ended each. */
  end: () => Promise<void>;
}

/** Opens connections, as many of each way, and opens each again when nginx ends it. */
export async function startHanging(port: number, count: number): Promise<HangingScrapers> {
  const sockets = new Set<Socket>();
  let isOver = false;
  const openOne = (way: number) =>
    new Promise<void>((resolve) => {
      const socket = connect({ host: '127.0.0.1', port }, () => {
        ways[way % ways.length]?.(socket);
        resolve();
      });
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        if (!isOver) void openOne(way);
      });
    });
  await Promise.all(Array.from({ length: count }, (_, way) => openOne(way)));
  return {
    end: async () => {
      isOver = true;
      const ends = [...sockets].map((socket) => new Promise((resolve) => socket.once('close', resolve)));
      for (const socket of sockets) socket.resume(); // a socket that nobody reads does not notice its end
      await Promise.all(ends);
    },
  };
}
