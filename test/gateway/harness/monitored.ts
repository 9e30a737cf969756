// A gateway under mixed traffic, with every part that metrics are about: bcrypt keys, minting, an issuer, limits,
// a cluster of one node.

import { hashSync } from '@node-rs/bcrypt';
import { rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { vi } from 'vitest';
import { makeSecretFile } from '../../cluster/harness/settings.js';
import { startStore } from '../../cluster/harness/store_server.js';
import { freePort } from './free_port.js';
import { startGateway, type Gateway } from './gateway.js';
import { makeAuthority, startIssuer, startNameServer } from './issuer.js';
import { makeSigner } from './tokens.js';
import { startUpstream, type Arrived } from './upstream.js';
import { variants, type Variant } from './variants.js';

/** Alerts whose causes a test can make. */
export type Caused = (typeof caused)[number];
export const caused = [
  'KeygateKeyLinesUnusable',
  'KeygateKeysStale',
  'KeygateSourceFaulty',
  'KeygateSidecarDown',
] as const;

/** What the tests of the dashboard and the alerts scrape. */
export interface Monitored {
  /** `address:port` of /metrics. */
  address: string;
  /** Makes the cause of an alert, and returns what takes the cause away. */
  causes: { [alert in Caused]: () => Promise<() => Promise<void>> };
  /** Ends the traffic, and the gateway; may be called again. */
  stop: () => Promise<void>;
}

const issuerName = 'https://issuer.example';
const conduct = ({ target }: Arrived) => ({ status: target === '/v1/fail' ? 502 : 200 });

/**
 * Starts a gateway and mixed traffic: requests of each kind, failures fewer than one in twenty, refusals fewer than one
 * in two seconds, as no alert may fire.
 */
export async function startMonitored(): Promise<Monitored> {
  const authority = await makeAuthority();
  const names = await startNameServer();
  const signer = await makeSigner('ES256', 'known');
  const issuer = await startIssuer(authority, 'issuer.test', [signer]);
  const upstream = await startUpstream({}, conduct);
  const port = await freePort();
  const store = await startStore();
  const env = {
    REDIS_URL: store.url,
    CLUSTER_SECRET_FILE: makeSecretFile(),
    JWKS_URL: issuer.url,
    JWKS_CA: authority.caFile,
    JWT_ISSUER: issuerName,
    JWT_AUDIENCE: 'any',
    RATE_LIMIT_AUTH: '1r/m',
    RATE_LIMIT_AUTH_BURST: '0',
    METRICS_PORT: String(port),
  };
  const keys = `plain-key-of-the-monitored-gateway\n${hashSync('a-bcrypt-key', 4)}\n`;
  const variant = variants[1] as Variant;
  const gateway = await startGateway({ variant, env, keys, upstream, resolver: names.address });
  const isReady = async () => (await gateway.send('/health/ready')).status === 200;
  await vi.waitUntil(isReady, { timeout: 40000, interval: 100 });
  const endTraffic = sendTraffic(gateway, await signer.sign());
  let stopping: Promise<void> | undefined;
  const stop = async () => {
    await endTraffic();
    await gateway.stop();
    await Promise.all([issuer.close(), upstream.close(), store.stop()]);
    names.close();
  };
  return {
    address: `127.0.0.1:${port}`,
    causes: causesIn(gateway, keys),
    stop: () => (stopping ??= stop()),
  };
}

function causesIn(gateway: Gateway, keys: string): Monitored['causes'] {
  const denied = join(dirname(gateway.keysFile), 'denied.txt');
  const writeBack = async () => writeFileSync(gateway.keysFile, keys);
  return {
    KeygateKeyLinesUnusable: async () => {
      writeFileSync(gateway.keysFile, `${keys}a-key expires=never\n`);
      return writeBack;
    },
    KeygateKeysStale: async () => {
      rmSync(gateway.keysFile);
      return writeBack;
    },
    KeygateSourceFaulty: async () => {
      writeFileSync(denied, 'not\0a\0list\n');
      return async () => rmSync(denied);
    },
    KeygateSidecarDown: async () => {
      gateway.sidecar?.kill('SIGSTOP');
      return async () => gateway.sidecar?.kill('SIGCONT');
    },
  };
}

// Sends until it is ended. Each wrong key comes from an address of its own, and again: beyond the limit of failures.
function sendTraffic(gateway: Gateway, token: string): () => Promise<void> {
  let ended = false;
  const get = (path: string, key: string, from?: string) =>
    gateway.send(path, { headers: { 'x-api-key': key }, ...(from === undefined ? {} : { from }) });
  const key = 'plain-key-of-the-monitored-gateway';
  const round = async (i: number) => {
    for (let n = 0; n < 10; n++) {
      const ten = [token, token, token, key, key, key, key, key, key, key];
      await Promise.all(ten.map((credential) => get('/v1/models', credential)));
    }
    await get('/v1/models', 'a-bcrypt-key');
    await get('/v1/fail', key);
    await gateway.send('/token', { method: 'POST', headers: { 'x-api-key': key }, from: `127.0.2.${i + 1}` });
    for (let n = 0; n < 2; n++) await get('/v1/models', `wrong-${i}`, `127.0.1.${i + 1}`);
  };
  const traffic = (async () => {
    for (let i = 0; !ended; i = (i + 1) % 250) {
      await round(i).catch(() => {}); // the sidecar or nginx may be away
      await new Promise((resolve) => setTimeout(resolve, 1500));
    }
  })();
  return async () => {
    ended = true;
    await traffic;
  };
}
