// A service manager that stops the sidecar.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';

it('ends on SIGTERM although a connection on which nothing was asked stays open', async () => {
  const stateDir = mkdtempSync(join(tmpdir(), 'keygate-sidecar-'));
  const socket = join(stateDir, 'verifier.sock');
  const env = { PATH: process.env['PATH'] ?? '', STATE_DIR: stateDir, VERIFIER_SOCKET: socket };
  const program = join(import.meta.dirname, '../../dist/verifier.js');
  const child = spawn(process.execPath, [program], { env, stdio: 'ignore' });
  await vi.waitFor(() => expect(existsSync(socket)).toBe(true), { timeout: 15000 });
  const idle = connect(socket);
  await once(idle, 'connect');
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const [code] = (await ended) as [number | null];
  expect(code).toBe(0);
  idle.destroy();
});
