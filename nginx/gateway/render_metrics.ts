// The metrics server of the full gateway: the snippet that an operator includes, on METRICS_PORT.

import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Settings } from '../../settings/read.js';

export interface MetricsFacts {
  /** Where the metrics server listens, on METRICS_PORT. */
  metricsAddress: string;
  /** Names by which it is asked, beside those of loopback. */
  metricsHosts?: string[];
  /** The certificate that nginx loads. */
  certificate: string;
  /** nginx loads it anew by itself: when it ends is not known then. */
  isCertificateMoving?: boolean;
}

/** An address and a port, as `listen` takes them. */
export function formatListen(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/**
 * Renders the files that nginx.conf includes for metrics.
 * @param snippet the shipped metrics.conf
 * @returns files by path; with METRICS_PORT=off nothing is counted
 */
export function renderMetrics(snippet: string, settings: Settings, facts: MetricsFacts): { [path: string]: string } {
  const { metricsPort } = settings;
  if (metricsPort === 'off') {
    const off = '# METRICS_PORT=off\n';
    return { 'gateway/metrics.conf': off, 'gateway/count_requests.conf': off };
  }
  const { metricsAddress, metricsHosts = [], certificate, isCertificateMoving = false } = facts;
  const expires = isCertificateMoving ? undefined : certificateEnd(certificate);
  return {
    'keygate/metrics.conf': snippet
      .replaceAll('listen 127.0.0.1:9145', `listen ${formatListen(metricsAddress, metricsPort)}`)
      .replace('server_name localhost', ['server_name localhost', ...metricsHosts].join(' ')),
    'gateway/metrics.conf': `include keygate/metrics.conf;
js_var $keygate_certificate_expires "${expires ?? ''}";
access_log /dev/null keygate_nothing if=$keygate_counted; # writes nothing: the variable is empty
`,
    'gateway/count_requests.conf': 'include keygate/count_requests.conf;\n',
  };
}

// In Unix seconds.
function certificateEnd(path: string): number | undefined {
  try {
    return Math.floor(Date.parse(new X509Certificate(readFileSync(path)).validTo) / 1000);
  } catch {
    return undefined; // nginx itself says what is wrong with it
  }
}
