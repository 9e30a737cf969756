// The network between one node and the store: a TCP proxy that can be cut, with or without a word to either side.

import { createServer, connect, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { freePort } from './free_port.js';

/** `open`; `silent`: bytes wait, as on a broken wire; `refused`: connections end, and nobody listens. */
export type LinkState = 'open' | 'silent' | 'refused';

export interface StoreLink {
  /** For REDIS_URL. */
  url: string;
  set: (state: LinkState) => Promise<void>;
  close: () => Promise<void>;
}

/** Opens a link to a store on loopback. */
export async function openLink(storePort: number): Promise<StoreLink> {
  const port = await freePort();
  const pairs = new Set<[Socket, Socket]>();
  let state: LinkState = 'open';
  const flow = (pair: [Socket, Socket]) => pair.forEach((one) => (state === 'open' ? one.resume() : one.pause()));
  const server: Server = createServer((inner) => {
    const outer = connect(storePort, '127.0.0.1');
    const pair: [Socket, Socket] = [inner, outer];
    pairs.add(pair);
    const join = (from: Socket, to: Socket) => {
      from.setNoDelay(true);
      from.on('data', (bytes: Buffer) => void to.write(bytes));
      from.on('error', () => undefined);
      from.on('close', () => {
        to.destroy();
        pairs.delete(pair);
      });
    };
    join(inner, outer);
    join(outer, inner);
    flow(pair);
  });
  const listen = () => once(server.listen(port, '127.0.0.1'), 'listening');
  const end = async () => {
    for (const pair of pairs) pair.forEach((one) => one.destroy());
    if (server.listening) await once(server.close(), 'close');
  };
  await listen();
  return {
    url: `redis://127.0.0.1:${port}`,
    set: async (next) => {
      state = next;
      if (next === 'refused') return end();
      if (!server.listening) await listen();
      pairs.forEach(flow);
    },
    close: end,
  };
}
