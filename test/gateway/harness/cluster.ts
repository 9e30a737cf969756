// A gateway as a node of a cluster whose store is away: a test writes by hand what the nodes share.

import { mkdirSync, mkdtempSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseKeyFile } from '../../../auth/key_file.js';
import type { KeyEntry } from '../../../auth/key_record.js';
import { revokedName, type Snapshot } from '../../../auth/snapshot.js';
import { nodePlatform } from '../../../node/crypto.js';
import type { Gateway } from './gateway.js';

const secretFile = join(mkdtempSync(join(tmpdir(), 'keygate-cluster-')), 'secret');
writeFileSync(secretFile, 'a secret of the tests that all nodes of a cluster have\n');

/** Settings of a node; nobody listens at its store's address. */
export const nodeSettings = { REDIS_URL: 'redis://127.0.0.1:1', CLUSTER_SECRET_FILE: secretFile };

/** The text of a snapshot; absent members are empty. */
export function snapshotOf(members: Partial<Snapshot>): string {
  return JSON.stringify({ number: 1, keys: [], revoked: [], denied: [], ...members });
}

/** Writes a file below STATE_DIR in one moment. */
export function writeShared(gateway: Gateway, path: string, content: string): void {
  const file = join(gateway.stateDir, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(`${file}.new`, content);
  renameSync(`${file}.new`, file);
}

/** Names a key file's line in the list of revoked keys. */
export function revokedNameOf(gateway: Gateway, line: string): string {
  const entry = parseKeyFile(line, nodePlatform).entries[0] as KeyEntry;
  const secret = readFileSync(join(gateway.stateDir, 'public', 'entry_secret'), 'utf8').trim();
  return revokedName(entry, secret, nodePlatform);
}
