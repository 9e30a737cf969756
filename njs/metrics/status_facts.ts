// Everything that /status.json shows; monitoring/status.ts judges it.

import { refusals } from '../../auth/refusals.js';
import type { Status } from '../../monitoring/status.js';
import { conditionOfAllJwks, conditionOfKeys } from '../keys/conditions.js';
import { currentKeySet } from '../keys/key_set.js';
import { readStoredJwks } from '../keys/stored_jwks.js';
import { countedKeys } from '../keys/counted_keys.js';
import { readCertificateEnd, readConnections, readJwksFacts, readKeyFacts, readVersions, readZones } from './facts.js';
import { readTotals, type KeyCount, type Totals } from './read_counters.js';
import { readRates, sumRequests } from './samples.js';
import { readSidecarFacts } from './sidecar_facts.js';

const mostShownKeys = 50;

/** Collects the facts, without a judgement. */
export function collectStatus(variables: NginxVariables, nowMs: number): Omit<Status, 'status' | 'problems'> {
  const totals = readTotals();
  const { version, nginx, njs, engine } = readVersions(variables);
  const { count, unusable, ageSeconds } = readKeyFacts(nowMs);
  const { up, queue, minted, cluster } = readSidecarFacts();
  const connections = readConnections(variables);
  const certificateExpires = readCertificateEnd(variables);
  return {
    version,
    nginx,
    njs,
    engine,
    started: Math.floor(totals.startedSeconds),
    now: Math.floor(nowMs / 1000),
    components: { keys: conditionOfKeys(), jwks: conditionOfAllJwks(), verifier: up ? 'ok' : 'failing' },
    rates: readRates(),
    requests: sumRequests(totals),
    refusals: listRefusals(totals),
    keys: { count, unusable, ageSeconds, used: listUsedKeys(totals) },
    jwks: readJwksFacts(nowMs),
    sidecar: { up, needed: isSidecarNeeded(), queue, minted },
    cluster,
    connections: connections === undefined ? null : connections,
    certificateExpires: certificateExpires === undefined ? null : certificateExpires,
    zones: readZones(),
  };
}

// A sidecar made the minting keys; keys hashed by bcrypt need one.
function isSidecarNeeded(): boolean {
  const keySet = currentKeySet();
  return readStoredJwks('minting').keys !== undefined || (keySet !== undefined && keySet.hashedWithoutId > 0);
}

function listRefusals({ decisions }: Totals): { reason: string; count: number }[] {
  const reasons = Object.keys(refusals()).filter((reason) => decisions[reason] !== undefined);
  return reasons
    .map((reason) => ({ reason, count: decisions[reason] as number }))
    .sort((one, other) => other.count - one.count);
}

function listUsedKeys({ keys }: Totals): Status['keys']['used'] {
  const used = countedKeys().map((key) => {
    const found: KeyCount = keys[key] || { requests: 0, refusals: 0, lastUsed: undefined };
    const { requests, refusals: refused, lastUsed } = found;
    return { key, requests, refusals: refused, lastUsed: lastUsed === undefined ? null : lastUsed };
  });
  return used.sort((one, other) => (other.lastUsed || 0) - (one.lastUsed || 0)).slice(0, mostShownKeys);
}
