// What is wrong with the store, in words fit for a log: never a text of the server's own, which may repeat a password.

import type { RedisUrl } from '../settings/redis_url.js';

/** The store did not do what was asked: it is away, or it refused. The message says why. */
export class StoreAway extends Error {}

/** The store answered with an error; `code` is the error's first word, such as `OOM`. */
export class StoreRefused extends StoreAway {
  constructor(readonly code: string) {
    super(refusals[code] ?? `it refuses a command (${code})`);
  }
}

const refusals: { [code: string]: string } = {
  OOM: 'it has no memory left for changes (OOM): raise its maxmemory',
  MISCONF: "it takes no changes, as it can't write to its disk (MISCONF)",
  NOPERM: 'its user may not run a command that is needed (NOPERM): docs/cluster.md has the list',
  READONLY: 'it is a replica, which takes no changes (READONLY)',
  WRONGPASS: 'the user or the password is wrong (WRONGPASS): REDIS_USER, REDIS_PASSWORD',
  NOAUTH: 'it asks for a password (NOAUTH): REDIS_PASSWORD',
  LOADING: 'it is loading its data (LOADING)',
  MASTERDOWN: 'it is a replica without its master (MASTERDOWN)',
  BUSY: 'a script keeps it busy (BUSY)',
};

/** A server is not usable as it is after these answers, so another connection is made. */
export const lostCodes = ['READONLY', 'NOAUTH', 'WRONGPASS', 'LOADING', 'MASTERDOWN'];

/** @returns the first word of an error that the store answered with; undefined for another error */
export function replyCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !replyNames.includes(error.constructor.name)) return undefined;
  return /^[A-Z]{2,20}\b/.exec(error.message)?.[0] ?? 'ERR';
}

const replyNames = ['ErrorReply', 'SimpleError', 'BlobError'];

/** @returns why a connection failed, or why a command did */
export function describeStoreFault(error: unknown): string {
  if (error instanceof StoreAway) return error.message;
  const code = replyCode(error);
  if (code !== undefined) return new StoreRefused(code).message;
  const { code: system, name } = error as NodeJS.ErrnoException;
  if (system === undefined) return `the connection ended (${name})`;
  return isOfCertificate(system)
    ? `its certificate, or ours, is not accepted (${system}): REDIS_CA, REDIS_CERT`
    : `no connection (${system})`;
}

function isOfCertificate(code: string): boolean {
  return /^(?:CERT|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO|HOSTNAME|INVALID_CA|ERR_TLS|ERR_SSL|ERR_OSSL)/.test(code);
}

/** The store as logs name it: REDIS_URL without its user and password. */
export function describeStore({ path, addresses, isTls, sentinelName, database }: RedisUrl): string {
  if (path !== undefined) return `unix://${path}`;
  const scheme = `${isTls ? 'rediss' : 'redis'}${sentinelName === undefined ? '' : '-sentinel'}`;
  const hosts = addresses.map(({ host, port }) => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`));
  const name = sentinelName === undefined ? '' : `#${sentinelName}`;
  return `${scheme}://${hosts.join(',')}${database === 0 ? '' : `/${database}`}${name}`;
}
