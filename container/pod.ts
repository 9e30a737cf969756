// What a pod sets beside the settings, since it has no name server, machine or container names of Docker's.

import { isIP } from 'node:net';
import { availableParallelism } from 'node:os';
import { findResolver } from '../launcher/facts.js';
import { Fault } from '../node/fault.js';
import { splitList } from '../settings/conflicts.js';

export interface PodFacts {
  /** The name server that nginx asks, as nginx writes it. */
  resolver: string;
  /** Whether it is the pod's own, which knows no other names than whole ones. */
  isOwnResolver: boolean;
  workers: number;
  /** Further names and addresses by which /metrics is asked. */
  metricsHosts: string[];
  /** Whether nginx reloads by itself when a certificate changes (start.sh). */
  isReloadedOnChange: boolean;
}

const dockerResolver = '127.0.0.11';
const maxWorkers = 8; // of some 20 MB each; the container's memory is limited, however many cores the host has
const hostName = /^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/;

/**
 * Reads NAME_SERVER, NGINX_WORKERS, METRICS_HOSTS and RELOAD_ON_CHANGE; without them all is as Docker Compose has it.
 * @throws Fault with a line for each that is none
 */
export function readPod(env: NodeJS.ProcessEnv): PodFacts {
  const faults: string[] = [];
  const server = env['NAME_SERVER']?.trim() || dockerResolver;
  const isSystem = server === 'system';
  if (!isSystem && isIP(server) === 0) faults.push('NAME_SERVER: expected an IP address, or the word system');
  const workers = env['NGINX_WORKERS']?.trim() || String(Math.min(availableParallelism(), maxWorkers));
  if (!/^[1-9]\d?$/.test(workers)) faults.push('NGINX_WORKERS: expected a number from 1 to 99');
  const hosts = splitList(env['METRICS_HOSTS']);
  if (!hosts.every((host) => isIP(host) !== 0 || hostName.test(host)))
    faults.push('METRICS_HOSTS: expected names or IP addresses, separated by commas');
  if (faults.length > 0) throw new Fault(faults.join('\n'));
  return {
    resolver: isSystem ? findResolver() : bracketed(server),
    isOwnResolver: isSystem,
    workers: Number(workers),
    metricsHosts: hosts.map(bracketed),
    isReloadedOnChange: (env['RELOAD_ON_CHANGE'] ?? '') !== '',
  };
}

function bracketed(host: string): string {
  return isIP(host) === 6 ? `[${host}]` : host;
}

/** @returns what is wrong with the name of an upstream that nginx is to look up without the search list of a pod */
export function findShortName(upstreamUrl: string | undefined): string | undefined {
  const host = upstreamUrl === undefined ? '' : new URL(upstreamUrl).hostname;
  if (host.includes('.') || host.startsWith('[')) return undefined;
  const whole = 'http://NAME.NAMESPACE.svc.cluster.local:8080';
  return `UPSTREAM_URL: expected a whole name, such as ${whole}, as nginx asks NAME_SERVER for it`;
}
