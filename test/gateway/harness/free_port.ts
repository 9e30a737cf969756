// TCP ports for servers of the tests: no two of them get the same one, whichever worker they run in.

import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';

/** Names the folder with one file for each port that a test of this run was given (test/global_setup.ts). */
export const portsDirVariable = 'TEST_PORTS_OF_KEYGATE_DIR';

/** A port of loopback that nobody listens on, below those that connections going out are given. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 12000 + Math.floor(Math.random() * 20000);
    if (reserve(port) && (await isFree(port))) return port;
  }
}

function reserve(port: number): boolean {
  try {
    writeFileSync(join(process.env[portsDirVariable] as string, String(port)), '', { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening');
  } catch {
    return false;
  }
  await once(server.close(), 'close');
  return true;
}
