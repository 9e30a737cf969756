// What nginx knows of itself beside its counters: keys, JWKs, zones, connections, versions.

import { isFaulty, type Source } from '../keys/source_faults.js';
import { currentKeySet } from '../keys/key_set.js';
import { ageMs, readState, type StateName } from '../keys/shared_state.js';
import { readStoredJwks, type JwksSource } from '../keys/stored_jwks.js';
import { jwksSources } from '../keys/stored_providers.js';

export interface KeyFacts {
  count: number;
  unusable: number;
  /** Null where none was ever read. */
  ageSeconds: number | null;
  checkedAgeSeconds: number | null;
}

export interface JwksFacts {
  source: JwksSource;
  keys: number;
  /** Null where none was ever read. */
  ageSeconds: number | null;
  faulty: boolean;
}

export interface ZoneFacts {
  zone: string;
  bytes: number;
  used: number;
}

export interface ConnectionFacts {
  active: number;
  reading: number;
  writing: number;
  waiting: number;
}

function ageSeconds(name: StateName, nowMs: number): number | null {
  const age = ageMs(name, nowMs);
  return age === Infinity ? null : Math.floor(age / 1000);
}

/** The API keys in use. */
export function readKeyFacts(nowMs: number): KeyFacts {
  const keySet = currentKeySet();
  return {
    count: keySet === undefined || !keySet.available ? 0 : keySet.entries,
    unusable: Number(readState('unusable_lines') || 0),
    ageSeconds: ageSeconds('keys_taken_ms', nowMs),
    checkedAgeSeconds: ageSeconds('refreshed_ms', nowMs),
  };
}

/** The JWKs in use, of the sources that are configured. */
export function readJwksFacts(nowMs: number): JwksFacts[] {
  const configured = jwksSources().filter((source) => readStoredJwks(source).configured);
  return configured.map((source) => ({
    source,
    keys: (readStoredJwks(source).keys || []).length,
    ageSeconds: ageSeconds(isFetched(source) ? `fetched_ms:${source}` : `taken_ms:${source}`, nowMs),
    faulty: isFaulty(source),
  }));
}

function isFetched(source: JwksSource): boolean {
  return readState(`fetches:${source}`) !== undefined;
}

/** @returns whether the last fetch of JWKS_URL succeeded; undefined where there was none, or no URL is set */
export function wasFetched(): boolean | undefined {
  const fetches = readState('fetches:remote');
  if (fetches === undefined || !readStoredJwks('remote').configured) return undefined;
  return fetches.slice(-2) === 'ok';
}

/** @returns each source of keys and whether it is at fault */
export function readFaults(): { source: Source; faulty: boolean }[] {
  const sources: Source[] = ['keys', 'snapshot', 'denied', 'providers'];
  return sources.concat(jwksSources()).map((source) => ({ source, faulty: isFaulty(source) }));
}

const zoneNames = [
  'keygate_state',
  'keygate_keys_a',
  'keygate_keys_b',
  'keygate_sources',
  'keygate_verdicts',
  'keygate_refused',
  'keygate_budgets',
  'keygate_limits',
  'keygate_metrics',
  'keygate_metrics_texts',
] as const;

/** Keygate's zones of shared memory. */
export function readZones(): ZoneFacts[] {
  const zones: ZoneFacts[] = [];
  zoneNames.forEach((zone) => {
    const dictionary = ngx.shared[zone];
    if (dictionary === undefined) return;
    const bytes = dictionary.capacity;
    zones.push({ zone, bytes, used: bytes - dictionary.freeSpace() });
  });
  return zones;
}

/** @returns the connections of all workers, or undefined where nginx was built without the module stub_status */
export function readConnections(variables: NginxVariables): ConnectionFacts | undefined {
  const active = variables['connections_active'];
  if (active === undefined) return undefined;
  return {
    active: Number(active),
    reading: Number(variables['connections_reading']),
    writing: Number(variables['connections_writing']),
    waiting: Number(variables['connections_waiting']),
  };
}

export interface Versions {
  version: string;
  nginx: string;
  njs: string;
  engine: 'qjs' | 'njs';
}

/** What runs. */
export function readVersions(variables: NginxVariables): Versions {
  const engine = njs.engine === 'QuickJS' ? 'qjs' : 'njs';
  return { version: KEYGATE_VERSION, nginx: variables['nginx_version'] || '', njs: njs.version, engine };
}

/** @returns when the gateway's certificate ends, in Unix seconds, or undefined where that is not known */
export function readCertificateEnd(variables: NginxVariables): number | undefined {
  return Number(variables.keygate_certificate_expires) || undefined;
}
