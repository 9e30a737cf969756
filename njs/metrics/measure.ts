// Everything that /metrics shows, by the names of monitoring/metrics_table.ts.

import { cacheLevels, routes } from '../../monitoring/buckets.js';
import type { Measured, Series } from '../../monitoring/prometheus_text.js';
import {
  readCertificateEnd,
  readConnections,
  readFaults,
  readJwksFacts,
  readKeyFacts,
  readVersions,
  readZones,
  wasFetched,
  type ConnectionFacts,
} from './facts.js';
import { readTotals, type KeyCount, type RequestCount, type Totals } from './read_counters.js';
import { readSidecarFacts } from './sidecar_facts.js';

/** Measures everything. */
export function measure(variables: NginxVariables, nowMs: number): Measured {
  const totals = readTotals();
  return Object.assign(
    measureRequests(totals),
    measureDecisions(totals),
    measureKeys(totals, nowMs),
    measureSources(totals, nowMs),
    measureSidecar(),
    measureCluster(),
    measureMachine(variables, totals),
  );
}

const one = (value: number, ...labels: string[]): Series => ({ labels, value });
const oneIf = (value: number | null | undefined, ...labels: string[]): Series[] =>
  value === undefined || value === null ? [] : [one(value, ...labels)];

function measureRequests(totals: Totals): Measured {
  return {
    keygate_requests_total: sumByLabels(totals.requests),
    keygate_first_byte_seconds: routes.map((route) => ({
      labels: [route],
      value: { counts: totals.firstByte[route] as number[], sum: (totals.firstByteMs[route] || 0) / 1000 },
    })),
  };
}

function sumByLabels(requests: RequestCount[]): Series[] {
  const sums = Object.create(null) as { [labels: string]: number };
  requests.forEach(({ route, digit, method, count }) => {
    const name = [route, codeOf(digit), method || 'none'].join('|');
    sums[name] = (sums[name] || 0) + count;
  });
  return Object.keys(sums)
    .sort()
    .map((name) => ({ labels: name.split('|'), value: sums[name] as number }));
}

// nginx logs the status 000 of a client that went away before there was an answer.
function codeOf(digit: string): string {
  return digit >= '1' && digit <= '5' ? digit + 'xx' : '4xx';
}

function measureDecisions({ decisions, decisionBuckets, decisionMs, levels, addressLimited }: Totals): Measured {
  const reasons = Object.keys(decisions).filter((reason) => reason !== '');
  const limited = (reason: string) => decisions[reason] || 0;
  return {
    keygate_decisions_total: [one(decisions[''] || 0, 'admitted', '')].concat(
      reasons.sort().map((reason) => one(decisions[reason] as number, 'refused', reason)),
    ),
    keygate_decision_seconds: [{ labels: [], value: { counts: decisionBuckets, sum: decisionMs / 1000 } }],
    keygate_verdict_cache_total: cacheLevels.map((level) => one(levels[level] || 0, level)),
    keygate_limited_total: [
      one(addressLimited, 'address'),
      one(limited('rate_limited'), 'failures'),
      one(limited('key_rate_limited'), 'key'),
    ],
  };
}

function measureKeys({ keys }: Totals, nowMs: number): Measured {
  const { count, unusable, ageSeconds, checkedAgeSeconds } = readKeyFacts(nowMs);
  const ids = Object.keys(keys).sort();
  const used = ids.filter((id) => (keys[id] as KeyCount).lastUsed !== undefined);
  return {
    keygate_api_keys: [one(count)],
    keygate_api_keys_unusable_lines: [one(unusable)],
    keygate_api_keys_age_seconds: oneIf(ageSeconds),
    keygate_api_keys_checked_age_seconds: oneIf(checkedAgeSeconds),
    keygate_key_requests_total: ids.map((id) => one((keys[id] as KeyCount).requests, id)),
    keygate_key_refusals_total: ids.map((id) => one((keys[id] as KeyCount).refusals, id)),
    keygate_key_last_used_timestamp_seconds: used.map((id) => one((keys[id] as KeyCount).lastUsed as number, id)),
  };
}

function measureSources({ generations }: Totals, nowMs: number): Measured {
  const jwks = readJwksFacts(nowMs);
  const fetched = wasFetched();
  return {
    keygate_source_faulty: readFaults().map(({ source, faulty }) => one(faulty ? 1 : 0, source)),
    keygate_jwks_keys: jwks.map(({ source, keys }) => one(keys, source)),
    keygate_jwks_age_seconds: jwks
      .map(({ source, ageSeconds }) => oneIf(ageSeconds, source))
      .reduce((all, list) => all.concat(list), []),
    keygate_jwks_fetch_success: oneIf(fetched === undefined ? undefined : Number(fetched)),
    keygate_generation_changes_total: [one(generations)],
  };
}

function measureSidecar(): Measured {
  const { up, queue, counts, sum, minted } = readSidecarFacts();
  return {
    keygate_sidecar_up: [one(up ? 1 : 0)],
    keygate_bcrypt_queue_length: [one(queue)],
    keygate_bcrypt_seconds: counts.length === 0 ? [] : [{ labels: [], value: { counts, sum } }],
    keygate_tokens_minted_total: [one(minted)],
  };
}

// Nobody knows the age of what a sidecar told that does not answer.
function measureCluster(): Measured {
  const { up, cluster } = readSidecarFacts();
  if (!up || cluster === null) return {};
  return {
    keygate_cluster_store_up: [one(cluster.storeUp ? 1 : 0)],
    keygate_cluster_staleness_seconds: [one(cluster.stalenessSeconds)],
    keygate_cluster_nodes: [one(cluster.nodes)],
  };
}

function measureMachine(variables: NginxVariables, { startedSeconds, lost }: Totals): Measured {
  const zones = readZones();
  const { version, nginx, njs, engine } = readVersions(variables);
  const connections = readConnections(variables);
  return {
    keygate_zone_bytes: zones.map(({ zone, bytes }) => one(bytes, zone)),
    keygate_zone_used_bytes: zones.map(({ zone, used }) => one(used, zone)),
    keygate_nginx_connections: connections === undefined ? [] : measureConnections(connections),
    keygate_certificate_expiry_timestamp_seconds: oneIf(readCertificateEnd(variables)),
    keygate_build_info: [one(1, version, nginx, njs, engine)],
    keygate_start_time_seconds: [one(startedSeconds)],
    keygate_lost_counts_total: [one(lost)],
  };
}

function measureConnections({ active, reading, writing, waiting }: ConnectionFacts): Series[] {
  return [one(active, 'active'), one(reading, 'reading'), one(writing, 'writing'), one(waiting, 'waiting')];
}
