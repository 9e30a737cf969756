// REDIS_URL: where the store is that several nodes share.

import { isIP } from 'node:net';

export interface StoreAddress {
  host: string;
  port: number;
}

/** A store, as REDIS_URL names it. */
export interface RedisUrl {
  /** A Unix socket; undefined for TCP. */
  path: string | undefined;
  /** The store, or the sentinels where `sentinelName` is set; empty for a Unix socket. */
  addresses: StoreAddress[];
  /** What the sentinels call the store; undefined without sentinels. */
  sentinelName: string | undefined;
  isTls: boolean;
  user: string | undefined;
  password: string | undefined;
  database: number;
}

const form =
  /^(redis|rediss|redis-sentinel|rediss-sentinel):\/\/(?:([^@/]*)@)?([^@/#]+)(?:\/(\d{1,4})?)?(?:#([\w.-]+))?$/;
const standardPorts = { store: 6379, sentinel: 26379 };

/**
 * Parses a URL: the schemes of IANA's registry, and Lettuce's form for sentinels,
 * `redis-sentinel://HOST:PORT,HOST:PORT/DATABASE#NAME`.
 * @returns undefined for anything else
 */
export function parseRedisUrl(text: string): RedisUrl | undefined {
  const socket = /^unix:\/\/(\/[^#?@]+)$/.exec(text);
  if (socket !== null) return { ...withoutUser, path: socket[1], addresses: [], isTls: false, database: 0 };
  const match = form.exec(text);
  if (match === null) return undefined;
  const [, scheme = '', userInfo, list = '', database = '0', sentinelName] = match;
  const isSentinel = scheme.endsWith('-sentinel');
  if (isSentinel !== (sentinelName !== undefined)) return undefined;
  const addresses = list.split(',').map((one) => parseAddress(one, isSentinel));
  if (addresses.includes(undefined) || (!isSentinel && addresses.length > 1)) return undefined;
  const user = userInfo === undefined ? withoutUser : parseUser(userInfo);
  if (user === undefined) return undefined;
  return {
    ...user,
    path: undefined,
    addresses: addresses as StoreAddress[],
    sentinelName,
    isTls: scheme.startsWith('rediss'),
    database: Number(database),
  };
}

const withoutUser = { user: undefined, password: undefined, sentinelName: undefined };

function parseUser(userInfo: string): { user: string | undefined; password: string | undefined } | undefined {
  const colon = userInfo.indexOf(':');
  if (colon < 0) return undefined; // a user has a password
  try {
    const [user, password] = [userInfo.slice(0, colon), userInfo.slice(colon + 1)].map(decodeURIComponent);
    return { user: user || undefined, password: password || undefined };
  } catch {
    return undefined;
  }
}

function parseAddress(text: string, isSentinel: boolean): StoreAddress | undefined {
  const match = /^(?:\[([^\]]+)\]|([\w.-]+))(?::(\d{1,5}))?$/.exec(text);
  const host = match?.[1] ?? match?.[2] ?? '';
  const isHost = match?.[1] === undefined ? host !== '' : isIP(host) === 6;
  const port = Number(match?.[3] ?? (isSentinel ? standardPorts.sentinel : standardPorts.store));
  return isHost && port >= 1 && port <= 65535 ? { host, port } : undefined;
}
