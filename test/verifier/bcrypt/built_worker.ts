// The program of the sidecar's threads, as test/global_setup.ts has built it.

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

export const builtWorker = pathToFileURL(join(import.meta.dirname, '../../../dist/bcrypt_worker.js'));
