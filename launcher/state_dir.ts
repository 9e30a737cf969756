// STATE_DIR belongs to one `npm start` at a time.

import { createHash } from 'node:crypto';
import { accessSync, constants, mkdirSync, realpathSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Settings } from '../settings/read.js';
import { Fault } from '../node/fault.js';

/** Makes STATE_DIR and what is always in it. */
export function prepareStateDir({ stateDir }: Settings): void {
  try {
    for (const part of ['keys', 'public', 'run']) mkdirSync(join(stateDir, part), { recursive: true });
    accessSync(join(stateDir, 'run'), constants.W_OK);
  } catch (error) {
    throw new Fault(
      `STATE_DIR ${stateDir}: can't be written to (${(error as NodeJS.ErrnoException).code}): choose another folder`,
    );
  }
}

/**
 * Holds STATE_DIR for as long as this process lives: by a socket that is a name and no file (unix(7), abstract), which
 * the kernel gives back however the process ends. Only Linux has them; elsewhere nothing is held.
 * @throws Fault when another launcher holds it
 */
export function holdStateDir({ stateDir }: Settings): Promise<void> {
  if (process.platform !== 'linux') return Promise.resolve();
  const digest = createHash('sha256').update(realpathSync(stateDir)).digest('hex');
  const server = createServer((socket) => socket.destroy()).unref();
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const isHeld = error.code === 'EADDRINUSE';
      reject(
        isHeld
          ? new Fault(
              'STATE_DIR ' +
                `${stateDir}: a gateway runs on it already: stop that one first, or set STATE_DIR and LISTEN_PORT ` +
                'to others',
            )
          : error,
      );
    });
    server.listen(`\0keygate-${digest}`, resolve);
  });
}
