// The sidecar as a program: opens signing keys, key file, bcrypt pool and server, and closes them in order.

import { chmodSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import { dirname, join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import pino from 'pino';
import { startNode, type NodeOptions } from '../cluster/node.js';
import { openClusterKeys } from '../cluster/seal.js';
import { snapshotPath } from '../cluster/snapshot_file.js';
import { explainError } from '../node/fault.js';
import { loadSecret, readIfThere, verifierSecretPath, writeAtomically } from '../node/state_files.js';
import type { ClusterSettings } from '../settings/cluster.js';
import { readSettings, SettingsError, type Settings } from '../settings/read.js';
import { openBcryptPool } from './bcrypt/bcrypt_pool.js';
import { makeCheckKey } from './keys/check_key.js';
import { openKeyStore, type KeyStore } from './keys/key_store.js';
import type { Log } from './keys/watched_file.js';
import { openLastUsed } from './last_used.js';
import { buildServer, patienceMs, type Sidecar } from './server.js';
import { dropDeniedKeys } from './signing/denied_keys.js';
import { ensureSigningKey, openSigningKeys } from './signing/signing_keys.js';

async function start(settings: Settings): Promise<void> {
  const { stateDir } = settings;
  const pool = openBcryptPool({
    threads: settings.bcryptThreads,
    queue: settings.bcryptQueue,
    patienceMs,
    worker: new URL('./bcrypt_worker.js', import.meta.url),
  });
  await ensureSigningKey(stateDir, settings.jwtAlg);
  const sidecar: Sidecar = {
    keys: { current: () => Promise.resolve(undefined) },
    checkKey: makeCheckKey(pool),
    signingKey: openSigningKeys(stateDir, settings.jwtTtlSeconds),
    entrySecret: openEntrySecret(settings),
    mintIssuer: settings.mintIssuer,
    mintAudience: firstAudience(settings.jwtAudience),
    maxTtlSeconds: settings.jwtTtlSeconds,
    secret: 'path' in settings.sidecar ? undefined : loadSecret(verifierSecretPath(stateDir), 0o600),
    fetching: settings,
    lastUsed: openLastUsed(stateDir, (text) => server.log.warn(text)),
    measured: pool.measured,
    minted: 0,
    cluster: undefined,
  };
  const stream = openLog(process.argv.slice(2));
  const server: FastifyInstance = buildServer(sidecar, { level: 'info', base: { name: 'keygate-verifier' }, stream });
  sidecar.keys = openKeys(settings, sidecar.entrySecret, server.log);
  const node = settings.cluster && startNode(nodeOptions(settings, settings.cluster, server));
  sidecar.cluster = node;
  endWith(async () => {
    await node?.close();
    await server.close();
    await pool.close();
    sidecar.lastUsed.flush();
  });
  await listen(server, settings);
  repeat(sidecar, (text) => server.log.error(text));
}

function openKeys(settings: Settings, entrySecret: string, log: Log): KeyStore {
  return openKeyStore({
    path: settings.apiKeysFile,
    snapshotPath: settings.cluster && snapshotPath(settings.stateDir),
    apiKey: settings.apiKey ?? '',
    apiKeys: settings.apiKeys ?? '',
    entrySecret,
    maxStaleSeconds: settings.keysMaxStaleSeconds,
    log,
  });
}

// Without a cluster, a secret of this gateway's own.
function openEntrySecret({ stateDir, cluster }: Settings): string {
  const path = join(stateDir, 'public', 'entry_secret');
  if (cluster === undefined) return loadSecret(path, 0o640);
  const { entrySecret } = openClusterKeys(cluster);
  if (readIfThere(path)?.trim() !== entrySecret) writeAtomically(path, `${entrySecret}\n`, 0o640);
  return entrySecret;
}

function nodeOptions(settings: Settings, cluster: ClusterSettings, { log }: FastifyInstance): NodeOptions {
  return {
    settings: cluster,
    stateDir: settings.stateDir,
    ttlSeconds: settings.jwtTtlSeconds,
    onSnapshot: ({ denied }) =>
      void dropDenied(settings, denied, log).catch((error: Error) => log.error(error.message)),
    log: {
      info: (text) => log.info(text),
      warn: (text) => log.warn(text),
      error: (text) => log.error(text),
    },
  };
}

async function dropDenied(settings: Settings, denied: string[], log: FastifyInstance['log']): Promise<void> {
  const kids = await dropDeniedKeys(settings.stateDir, settings.jwtAlg, denied);
  if (kids.length > 0) log.warn(`signing keys taken out, as the cluster has revoked them: ${kids.join(', ')}`);
}

function repeat(sidecar: Sidecar, log: (text: string) => void): void {
  setInterval(() => sidecar.lastUsed.flush(), 1000).unref();
  setInterval(() => void sidecar.keys.current(''), 1000).unref(); // so that a file gone bad is noticed without requests
  setInterval(() => void sidecar.signingKey().catch((error: Error) => log(error.message)), 10000).unref();
}

/** Where log lines go: the file after `--log`, opened anew on SIGUSR1; else standard output. */
function openLog([option, file]: string[]): pino.DestinationStream {
  const log = pino.destination(option === '--log' && file !== undefined ? { dest: file, mode: 0o640 } : 1);
  log.on('error', () => undefined); // a full disk is no reason to end
  process.on('SIGUSR1', () => log.reopen());
  return log;
}

const graceMs = 5000; // nginx waits 2 s for an answer

// `disconnect`: the launcher that started us is gone. Closing waits for a connection without any request for as long as
// its client keeps it, so graceMs bounds the wait.
function endWith(close: () => Promise<void>): void {
  const end = () => {
    setTimeout(() => process.exit(0), graceMs);
    void close().then(() => process.exit(0));
  };
  for (const event of ['SIGTERM', 'SIGINT', 'disconnect']) process.once(event, end);
}

function firstAudience(audience: string | undefined): string {
  const first = audience?.split(',')[0]?.trim() ?? '';
  return first === '' || first === 'any' ? 'copilot-api' : first;
}

async function listen(server: FastifyInstance, { sidecar }: Settings): Promise<void> {
  if (!('path' in sidecar)) {
    await server.listen(sidecar);
    return;
  }
  const { path } = sidecar;
  mkdirSync(dirname(path), { recursive: true });
  if (existsSync(path)) await removeStaleSocket(path);
  await server.listen({ path });
  chmodSync(path, 0o660);
}

// Removes a socket that a killed process left behind. Where a process answers on the socket, it is in use.
function removeStaleSocket(path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const probe = createConnection(path);
    probe.once('connect', () => {
      probe.destroy();
      reject(new SettingsError([`VERIFIER_SOCKET: another sidecar answers on ${path}: stop it first`]));
    });
    probe.once('error', () => {
      rmSync(path, { force: true });
      resolve();
    });
  });
}

try {
  await start(readSettings(process.env));
} catch (error) {
  for (const line of explainError(error)) console.error(line);
  process.exit(1);
}
