// Once before all tests: bundles as the sources say, and both nginx releases unpacked.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { unpackNginx } from '../build/unpack_nginx.js';

export default async function setup(): Promise<void> {
  const { status } = spawnSync(process.execPath, [join(import.meta.dirname, '../build/bundle.js')], {
    stdio: 'inherit',
  });
  if (status !== 0) throw new Error('build/bundle.js failed');
  await unpackNginx('forky');
  await unpackNginx('trixie');
}
