// REDIS_URL and what goes with it: the settings of several nodes with one store.

import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { parseRedisUrl, type RedisUrl } from './redis_url.js';
import { table, type Values } from './table.js';

export interface ClusterSettings {
  redis: RedisUrl;
  /** Trusted for the certificate of the store; undefined for the authorities that Node.js trusts. */
  ca: string | undefined;
  /** A client certificate and its key. */
  certificate: { cert: string; key: string } | undefined;
  prefix: string;
  down: 'share' | 'closed';
  secretFile: string;
  nodeName: string;
}

/** @returns undefined without REDIS_URL */
export function readCluster(given: Values): ClusterSettings | undefined {
  const values = given as Required<Values>; // findClusterConflicts has asked for those without a default
  const redis = parseRedisUrl(given.REDIS_URL ?? '');
  if (redis === undefined) return undefined;
  const { REDIS_CERT, REDIS_KEY } = given;
  const named = REDIS_CERT !== undefined && REDIS_KEY !== undefined;
  return {
    redis: {
      ...redis,
      user: given.REDIS_USER ?? redis.user,
      password: given.REDIS_PASSWORD ?? redis.password,
    },
    ca: given.REDIS_CA === undefined ? undefined : resolve(given.REDIS_CA),
    certificate: named ? { cert: resolve(REDIS_CERT), key: resolve(REDIS_KEY) } : undefined,
    prefix: values.REDIS_PREFIX,
    down: values.REDIS_DOWN as ClusterSettings['down'],
    secretFile: resolve(values.CLUSTER_SECRET_FILE),
    nodeName: given.NODE_NAME ?? hostname(),
  };
}

const leastSecretBytes = 32;

/** @returns a line for each fault */
export function findClusterConflicts(values: Values): string[] {
  const { REDIS_URL, CLUSTER_SECRET_FILE, REDIS_CERT, REDIS_KEY, NODE_NAME } = values;
  const faults: string[] = [];
  if (REDIS_URL === undefined) return faults;
  const secret = `CLUSTER_SECRET_FILE: expected a file with ${leastSecretBytes} random bytes or more, the same on every node`;
  if (CLUSTER_SECRET_FILE === undefined) faults.push(`${secret}, as REDIS_URL is set`);
  else if (readSecretBytes(CLUSTER_SECRET_FILE) < leastSecretBytes) faults.push(secret);
  if ((REDIS_CERT === undefined) !== (REDIS_KEY === undefined)) {
    faults.push('REDIS_CERT: expected to be set together with REDIS_KEY');
  }
  if (NODE_NAME === undefined && !table.NODE_NAME.isValid(hostname())) {
    faults.push(`NODE_NAME: expected ${table.NODE_NAME.expected}, as this host's name has others`);
  }
  return faults;
}

function readSecretBytes(path: string): number {
  try {
    return readFileSync(path).toString('latin1').trim().length;
  } catch {
    return 0;
  }
}
