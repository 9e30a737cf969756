// One connection to the store: by TCP, TLS or a Unix socket, to the store itself or to the one that sentinels name.
// Certificates are read at each connection.

import { readFileSync } from 'node:fs';
import type { RESP_TYPES } from '@redis/client';
import type { ClusterSettings } from '../settings/cluster.js';
import type { StoreAddress } from '../settings/redis_url.js';
import { StoreAway, replyCode } from './store_fault.js';

export type StoreClient = Awaited<ReturnType<typeof makeClient>>;

export interface OpenedClient {
  client: StoreClient;
  /** Where the store is: `HOST:PORT`, or the path of its socket. */
  place: string;
}

export const leastVersions = { Redis: 7, Valkey: 8 };

/**
 * Connects, and checks that the server is new enough and takes changes.
 * @param signal ends the attempt and the connection
 * @throws StoreAway, or an error of the connection (describeStoreFault)
 */
export async function openClient(settings: ClusterSettings, signal: AbortSignal): Promise<OpenedClient> {
  const { path, addresses, sentinelName } = settings.redis;
  const address = sentinelName === undefined ? addresses[0] : await askSentinels(settings, signal);
  const client = await makeClient(settings, { path, address, isSentinel: false });
  await connect(client, signal);
  await checkServer(client);
  return { client, place: path ?? `${address?.host}:${address?.port}` };
}

const blobString: (typeof RESP_TYPES)['BLOB_STRING'] = 36;

/** The same client, whose answers have bytes where the client's own have text. */
export function withBytes(client: StoreClient) {
  return client.withTypeMapping({ [blobString]: Buffer });
}

interface Target {
  path?: string | undefined;
  address: StoreAddress | undefined;
  isSentinel: boolean;
  /** A sentinel has no users, or users of its own: it is given ours where it asks for a password. */
  isAnonymous?: boolean;
}

/** Loads the package, which a gateway without a store does without; a busy machine takes long for its 19 MB. */
export const loadPackage = () => import('@redis/client');

async function makeClient(settings: ClusterSettings, target: Target) {
  const { createClient } = await loadPackage();
  const { redis } = settings;
  const names = target.isAnonymous === true ? {} : withoutUndefined({ username: redis.user, password: redis.password });
  const common = { reconnectStrategy: false as const, connectTimeout: 1000 };
  const { host = '', port = 0 } = target.address ?? {};
  return createClient({
    ...names,
    ...(redis.database === 0 || target.isSentinel ? {} : { database: redis.database }),
    socket:
      target.path !== undefined
        ? { ...common, path: target.path, tls: false }
        : redis.isTls
          ? { ...common, host, port, tls: true, ...readCertificates(settings) }
          : { ...common, host, port },
    maintNotifications: 'disabled',
    disableOfflineQueue: true,
  });
}

function withoutUndefined(values: { [name: string]: string | undefined }): { [name: string]: string } {
  return Object.fromEntries(Object.entries(values).filter((pair): pair is [string, string] => pair[1] !== undefined));
}

function readCertificates({ ca, certificate }: ClusterSettings): { [name: string]: Buffer } {
  return {
    ...(ca === undefined ? {} : { ca: readPem('REDIS_CA', ca) }),
    ...(certificate === undefined
      ? {}
      : { cert: readPem('REDIS_CERT', certificate.cert), key: readPem('REDIS_KEY', certificate.key) }),
  };
}

function readPem(setting: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new StoreAway(`can't read ${path} (${(error as NodeJS.ErrnoException).code}): ${setting}`);
  }
}

async function connect(client: StoreClient, signal: AbortSignal): Promise<void> {
  let last: unknown;
  client.on('error', (error) => (last = error)); // without a listener an error would end the process
  signal.addEventListener('abort', () => client.destroy(), { once: true });
  signal.throwIfAborted();
  try {
    await client.connect();
  } catch (error) {
    if (replyCode(error) === 'ERR') throw tooOld('older than Redis 6'); // it knows no HELLO
    throw error ?? last;
  }
}

async function checkServer(client: StoreClient): Promise<void> {
  const info = String(await client.sendCommand(['INFO']));
  const valueOf = (name: string) => new RegExp(`^${name}:(.*?)\r?$`, 'm').exec(info)?.[1];
  const valkey = valueOf('valkey_version');
  const version = valkey ?? valueOf('redis_version') ?? '';
  const product = valkey === undefined ? 'Redis' : 'Valkey';
  if (!(Number.parseInt(version) >= leastVersions[product])) throw tooOld(`${product} ${version}`);
  if (valueOf('role') === 'slave') throw new StoreAway('it is a replica, which takes no changes');
}

function tooOld(what: string): StoreAway {
  const { Redis, Valkey } = leastVersions;
  return new StoreAway(`it is ${what}, and Redis ${Redis} or Valkey ${Valkey} is needed`);
}

/**
 * Asks the sentinels where the store is: the first answer counts.
 * @throws StoreAway
 */
export async function askSentinels(settings: ClusterSettings, signal: AbortSignal): Promise<StoreAddress> {
  const { addresses, sentinelName = '' } = settings.redis;
  const asking = addresses.map((address) => askSentinel(settings, { address, isSentinel: true }, signal));
  try {
    return await Promise.any(asking);
  } catch (error) {
    const { errors = [error] } = error as AggregateError;
    const unknown = errors.find((one) => one instanceof StoreAway);
    throw unknown ?? new StoreAway(`no sentinel answers, so ${sentinelName} is not to be found`);
  }
}

async function askSentinel(settings: ClusterSettings, target: Target, signal: AbortSignal): Promise<StoreAddress> {
  try {
    return await askOnce(settings, { ...target, isAnonymous: true }, signal);
  } catch (error) {
    if (replyCode(error) !== 'NOAUTH') throw error;
    return await askOnce(settings, target, signal);
  }
}

async function askOnce(settings: ClusterSettings, target: Target, signal: AbortSignal): Promise<StoreAddress> {
  const client = await makeClient(settings, target);
  const { sentinelName = '' } = settings.redis;
  try {
    await connect(client, signal);
    const answer: unknown = await client.sendCommand(['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', sentinelName]);
    if (!Array.isArray(answer)) throw new StoreAway(`the sentinels know no store of the name ${sentinelName}`);
    return { host: String(answer[0]), port: Number(answer[1]) };
  } finally {
    client.destroy();
  }
}
