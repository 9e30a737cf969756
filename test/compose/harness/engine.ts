// Whether there is a Docker engine with the compose plugin. Without one these tests are skipped, and say so.

import { execFileSync, spawnSync } from 'node:child_process';
import { describe } from 'vitest';

export const hasEngine = succeeds('docker', ['info']) && succeeds('docker', ['compose', 'version']);

if (!hasEngine) {
  console.warn('SKIPPED: test/compose needs a Docker engine with the compose plugin, and none answers');
} else if (!succeeds('docker', ['image', 'inspect', 'testcontainers/ryuk:0.14.0'])) {
  // Testcontainers' reaper; without it an interrupted run leaves containers behind.
  if (!succeeds('docker', ['pull', '-q', 'testcontainers/ryuk:0.14.0']))
    process.env['TESTCONTAINERS_RYUK_DISABLED'] = 'true';
}

/** `describe` where there is an engine. */
export const describeWithEngine = describe.skipIf(!hasEngine);

/** The address by which containers reach this machine: that of Docker's own network. */
export function engineAddress(): string {
  const args = ['network', 'inspect', 'bridge', '-f', '{{(index .IPAM.Config 0).Gateway}}'];
  return execFileSync('docker', args, { encoding: 'utf8' }).trim();
}

function succeeds(program: string, args: string[]): boolean {
  return spawnSync(program, args, { stdio: 'ignore', timeout: 30000 }).status === 0;
}
