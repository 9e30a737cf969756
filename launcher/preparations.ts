// What must be in order before anything is started; each fault is one line that says what to do.

import { accessSync, constants, mkdirSync, realpathSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Settings } from '../settings/read.js';
import { fitsSocket, maxSocketPathBytes } from './facts.js';
import { Fault } from '../node/fault.js';

/** @throws Fault when a process listens there already, or this process may not */
export async function checkPortIsFree(address: string, port: number): Promise<void> {
  const code = await tryListen(address, port);
  if (code !== undefined) throw new Fault(explainListen(code, address, port));
}

/** @returns the code of the error that listening ends in, or undefined */
function tryListen(address: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'unknown'));
    server.listen(port, address, () => server.close(() => resolve(undefined)));
  });
}

/**
 * Where the metrics go: a default port that is taken turns them off.
 * @returns the settings, and a line that says so
 * @throws Fault when a port that was set can't be listened on
 */
export async function prepareMetrics(
  settings: Settings,
  address: string,
): Promise<{ settings: Settings; warning?: string }> {
  const { metricsPort } = settings;
  const code = metricsPort === 'off' ? undefined : await tryListen(address, metricsPort);
  if (code === undefined) return { settings };
  const fault = `METRICS_PORT ${metricsPort} ${code === 'EADDRINUSE' ? 'is taken' : `can't be listened on (${code})`}`;
  if (settings.isMetricsPortNamed) throw new Fault(`${fault}: set METRICS_PORT to another port, or to off`);
  return { settings: { ...settings, metricsPort: 'off' }, warning: `${fault}: there are no metrics` };
}

function explainListen(code: string, address: string, port: number): string {
  if (code === 'EADDRINUSE')
    return `LISTEN_PORT ${port} is taken on ${address}: stop what listens there, or set LISTEN_PORT to another port`;
  if (code === 'EACCES') return `LISTEN_PORT ${port} needs privileges: set LISTEN_PORT to 1024 or more`;
  return (
    `LISTEN_ADDRESS ${address} port ${port} can't be listened on (${code}): set LISTEN_ADDRESS to an address of ` +
    'this machine'
  );
}

/**
 * @throws Fault when the path is too long for a socket: `keygate` expects the sidecar there, so no other path will do
 */
export function checkSidecarSocket({ sidecar }: Settings): void {
  if (!('path' in sidecar) || fitsSocket(sidecar.path)) return;
  throw new Fault(
    `VERIFIER_SOCKET ${sidecar.path} is longer than the ${maxSocketPathBytes} bytes of a Unix socket's path: set ` +
      'it to a shorter one, ' +
      'or STATE_DIR to another folder',
  );
}

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
              `STATE_DIR ${stateDir}: a gateway runs on it already: stop that one first, or set STATE_DIR and ` +
                'LISTEN_PORT ' +
                'to others',
            )
          : error,
      );
    });
    server.listen(`\0keygate-${digest}`, resolve);
  });
}
