// A service manager that stops the sidecar.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';

it('ends on SIGTERM although a connection on which nothing was asked stays open', async () => {
  const stateDir = mkdtempSync(join(tmpdir(), 'keygate-sidecar-'));
  const socket = join(stateDir, 'verifier.sock');
  const env = { PATH: process.env['PATH'] ?? '', STATE_DIR: stateDir, VERIFIER_SOCKET: socket };
  const program = join(import.meta.dirname, '../../dist/verifier.js');
  const child = spawn(process.execPath, [program], { env, stdio: 'ignore' });
  // The socket's file is there a moment before somebody listens on it.
  const idle = await vi.waitFor(() => open(socket), { timeout: 15000 });
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const [code] = (await ended) as [number | null];
  expect(code).toBe(0);
  idle.destroy();
});

async function open(path: string): Promise<Socket> {
  const socket = connect(path);
  await once(socket, 'connect');
  return socket;
}
