// Something to scrape that has every metric: STAND-IN for a gateway under mixed traffic, until nginx serves /metrics.

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

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

const yearSeconds = 365 * 86400;

/** What is scraped for the nth time. */
const exposition = (n: number, now: number) => `
keygate_build_info{version="0.1.0",nginx="1.30.6",njs="1.0.2",engine="qjs"} 1
keygate_start_time_seconds ${now - n}
keygate_requests_total{route="api",code="2xx",auth="api_key"} ${50 * n}
keygate_requests_total{route="token",code="4xx",auth="none"} ${n}
keygate_requests_total{route="api",code="5xx",auth="jwt"} ${Math.floor(n / 20)}
keygate_first_byte_seconds_bucket{route="api",le="0.005"} ${40 * n}
keygate_first_byte_seconds_bucket{route="api",le="+Inf"} ${50 * n}
keygate_first_byte_seconds_sum{route="api"} ${n}
keygate_first_byte_seconds_count{route="api"} ${50 * n}
keygate_decisions_total{verdict="admitted",reason=""} ${50 * n}
keygate_decisions_total{verdict="refused",reason="unknown_key"} ${Math.floor(n / 10)}
keygate_decision_seconds_bucket{le="0.001"} ${40 * n}
keygate_decision_seconds_bucket{le="+Inf"} ${50 * n}
keygate_decision_seconds_sum ${n}
keygate_decision_seconds_count ${50 * n}
keygate_verdict_cache_total{level="context"} ${40 * n}
keygate_verdict_cache_total{level="none"} ${10 * n}
keygate_limited_total{limit="failures"} ${n}
keygate_api_keys 3
keygate_api_keys_unusable_lines 0
keygate_api_keys_age_seconds ${n}
keygate_api_keys_checked_age_seconds 0.2
keygate_source_faulty{source="keys"} 0
keygate_source_faulty{source="remote"} 0
keygate_source_faulty{source="denied"} 0
keygate_jwks_keys{source="remote"} 2
keygate_jwks_age_seconds{source="remote"} ${n}
keygate_jwks_fetch_success 1
keygate_sidecar_up 1
keygate_bcrypt_queue_length 0
keygate_bcrypt_seconds_bucket{le="0.1"} ${n}
keygate_bcrypt_seconds_bucket{le="+Inf"} ${n}
keygate_bcrypt_seconds_sum ${n / 20}
keygate_bcrypt_seconds_count ${n}
keygate_tokens_minted_total ${n}
keygate_zone_bytes{zone="keygate_state"} 8388608
keygate_zone_bytes{zone="keygate_verdicts"} 16777216
keygate_zone_used_bytes{zone="keygate_state"} 4096
keygate_zone_used_bytes{zone="keygate_verdicts"} 16777216
keygate_generation_changes_total ${n}
keygate_key_requests_total{key="Ab3dE6gH"} ${n}
keygate_key_refusals_total{key="Ab3dE6gH"} 0
keygate_key_last_used_timestamp_seconds{key="Ab3dE6gH"} ${now}
keygate_nginx_connections{state="active"} 3
keygate_certificate_expiry_timestamp_seconds ${now + yearSeconds}
keygate_lost_counts_total 0
`;

/** STAND-IN for monitoring/metrics_table.ts: each metric with its labels. */
export const metricsTable: readonly { name: string; labels: string[] }[] = [
  ...exposition(1, 0).matchAll(/^(\w+?)(?:_bucket|_sum|_count)?(?:\{(.*)\})? /gm),
].map(([, name = '', pairs = '']) => ({
  name,
  labels: [...pairs.matchAll(/(\w+)="/g)].map(([, label = '']) => label).filter((label) => label !== 'le'),
}));

/**
 * Starts a gateway and mixed traffic: requests of each kind, failures fewer than one in twenty, refusals fewer than one
 * in two seconds, as no alert may fire. Here: a server whose counters count with each scrape.
 */
export async function startMonitored(): Promise<Monitored> {
  let scrapes = 0;
  const changed = new Map<string, number>();
  const change = (series: string, value: number) => async () => {
    changed.set(series, value);
    return async () => void changed.delete(series);
  };
  const server = createServer((_, response) => {
    scrapes += 1;
    const lines = exposition(scrapes, Date.now() / 1000)
      .trimStart()
      .split('\n');
    const values = lines.map((line) => {
      const [series = ''] = line.split(' ');
      return changed.has(series) ? `${series} ${changed.get(series)}` : line;
    });
    response.setHeader('content-type', 'text/plain; version=0.0.4; charset=utf-8');
    response.end(values.join('\n'));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    causes: {
      KeygateKeyLinesUnusable: change('keygate_api_keys_unusable_lines', 1),
      KeygateKeysStale: change('keygate_source_faulty{source="keys"}', 1),
      KeygateSourceFaulty: change('keygate_source_faulty{source="denied"}', 1),
      KeygateSidecarDown: change('keygate_sidecar_up', 0),
    },
    stop: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
