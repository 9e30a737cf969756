// Every metric of /metrics: name, type, labels and help. The renderer, docs/monitoring.md and the tests follow this
// table. A label takes its values from a closed set: nothing that a client sends becomes a label.

import { bcryptBounds, decisionBounds, firstByteBounds } from './buckets.js';

export interface Metric {
  name: string;
  type: 'counter' | 'gauge' | 'histogram';
  /** One sentence; what docs/monitoring.md says too. */
  help: string;
  labels: readonly string[];
  /** Histograms: the upper bounds of the buckets, in seconds, without +Inf. */
  bounds?: readonly number[];
}

const named = (name: string): string => 'keygate_' + name;
const counter = (name: string, labels: string[], help: string): Metric => ({
  name: named(name),
  type: 'counter',
  help,
  labels,
});
const gauge = (name: string, labels: string[], help: string): Metric => ({
  name: named(name),
  type: 'gauge',
  help,
  labels,
});

const requestMetrics: Metric[] = [
  counter('requests_total', ['route', 'code', 'auth'], 'Requests that were answered or given up.'),
  {
    name: named('first_byte_seconds'),
    type: 'histogram',
    help: 'Seconds until the first byte of the answer.',
    labels: ['route'],
    bounds: firstByteBounds,
  },
];

const decisionMetrics: Metric[] = [
  counter('decisions_total', ['verdict', 'reason'], 'Decisions about credentials.'),
  {
    name: named('decision_seconds'),
    type: 'histogram',
    help: 'Seconds that a decision took.',
    labels: [],
    bounds: decisionBounds,
  },
  counter('verdict_cache_total', ['level'], 'Decisions about guarded requests by the cache that knew the verdict.'),
  counter('limited_total', ['limit'], 'Requests that a limit refused.'),
];

const keyMetrics = [
  gauge('api_keys', [], 'API keys in use.'),
  gauge('api_keys_unusable_lines', [], 'Lines of the key file and keys of the environment that are unusable.'),
  gauge('api_keys_age_seconds', [], 'Seconds since the API keys in use were taken up.'),
  gauge('api_keys_checked_age_seconds', [], 'Seconds since the files of keys were last looked at.'),
  counter('key_requests_total', ['key'], 'Requests with an API key or with a token minted from it.'),
  counter(
    'key_refusals_total',
    ['key'],
    'Requests with an API key, or with a token minted from it, that were refused.',
  ),
  gauge('key_last_used_timestamp_seconds', ['key'], 'When an API key, or a token minted from it, was last used.'),
];

const sourceMetrics = [
  gauge('source_faulty', ['source'], 'Whether a source of keys is at fault: its last good content is in use.'),
  gauge('jwks_keys', ['source'], 'JWKs in use.'),
  gauge('jwks_age_seconds', ['source'], 'Seconds since the JWKs in use were taken up or fetched.'),
  gauge('jwks_fetch_success', [], 'Whether the last fetch of JWKS_URL succeeded.'),
  counter('generation_changes_total', [], 'Changes of the API keys, JWKs or deny list in use.'),
];

const sidecarMetrics: Metric[] = [
  gauge('sidecar_up', [], 'Whether the sidecar answers.'),
  gauge('bcrypt_queue_length', [], 'Keys that wait for a comparison with bcrypt.'),
  {
    name: named('bcrypt_seconds'),
    type: 'histogram',
    help: 'Seconds that a comparison with a bcrypt hash took.',
    labels: [],
    bounds: bcryptBounds,
  },
  counter('tokens_minted_total', [], 'Tokens that the sidecar has minted since its start.'),
];

const clusterMetrics: Metric[] = [
  gauge('cluster_store_up', [], 'Whether the store that the nodes share answers.'),
  gauge('cluster_staleness_seconds', [], 'Seconds since this node knew for sure that it has the newest revocations.'),
  gauge('cluster_nodes', [], 'Nodes of the cluster that live, this one included.'),
];

const machineMetrics = [
  gauge('zone_bytes', ['zone'], 'Size of a zone of shared memory.'),
  gauge('zone_used_bytes', ['zone'], 'Bytes of the pages in use in a zone of shared memory.'),
  gauge('nginx_connections', ['state'], 'Connections of all of nginx.'),
  gauge('certificate_expiry_timestamp_seconds', [], 'When the certificate of the gateway ends.'),
  gauge('build_info', ['version', 'nginx', 'njs', 'engine'], 'Versions of Keygate, nginx and njs, and the engine.'),
  gauge('start_time_seconds', [], 'Since when the counters count.'),
  counter('lost_counts_total', [], 'Counts that found no room in shared memory.'),
];

/** All metrics, in the order of /metrics. */
export const metricsTable: readonly Metric[] = requestMetrics.concat(
  decisionMetrics,
  keyMetrics,
  sourceMetrics,
  sidecarMetrics,
  clusterMetrics,
  machineMetrics,
);
