// Once before all tests: bundles as the sources say, both nginx releases unpacked, no port given out yet.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unpackNginx, unpackPackage } from '../nginx/runtime/unpack_nginx.js';
import { storeCommand, storeKinds } from './cluster/harness/store_server.js';
import { portsDirVariable } from './gateway/harness/free_port.js';

export default async function setup(): Promise<() => void> {
  if (process.env[portsDirVariable] !== undefined) return () => undefined; // vitest calls this for each project too
  const { status } = spawnSync(process.execPath, [join(import.meta.dirname, '../build/bundle.js')], {
    stdio: 'inherit',
  });
  if (status !== 0) throw new Error('build/bundle.js failed');
  await unpackNginx('forky');
  await unpackNginx('trixie');
  for (const suite of ['forky', 'trixie'] as const) unpackPackage(suite, 'libfaketime');
  for (const name of ['prometheus', 'promtool']) unpackPackage('forky', name);
  for (const kind of storeKinds) storeCommand(kind);
  unpackPackage('trixie', 'kubectl');
  const portsDir = mkdtempSync(join(tmpdir(), 'keygate-ports-'));
  process.env[portsDirVariable] = portsDir;
  return () => rmSync(portsDir, { recursive: true });
}
