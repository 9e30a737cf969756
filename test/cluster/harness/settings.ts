// ClusterSettings of a node of the tests.

import { randomBytes } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCluster, type ClusterSettings } from '../../../settings/cluster.js';

/** Settings that lead to a store; the secret is a file of its own, made here unless one is given. */
export function clusterSettings(url: string, env: { [name: string]: string } = {}): ClusterSettings {
  const given = { REDIS_PREFIX: 'keygate', REDIS_DOWN: 'share', NODE_NAME: 'node-1', ...env, REDIS_URL: url };
  const secret = { CLUSTER_SECRET_FILE: env['CLUSTER_SECRET_FILE'] ?? makeSecretFile() };
  return readCluster({ ...given, ...secret }) as ClusterSettings;
}

/** Makes a cluster secret. @returns its path */
export function makeSecretFile(): string {
  const path = join(mkdtempSync(join(tmpdir(), 'keygate-secret-')), 'secret');
  writeFileSync(path, `${randomBytes(32).toString('base64url')}\n`);
  return path;
}
