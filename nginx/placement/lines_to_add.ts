// The lines that an operator adds to nginx.conf, by context; each can be copied as it is.

import { join } from 'node:path';
import type { OperatorConfig } from '../configuration/operator_config.js';

export interface Wanted {
  dir: string;
  /** The module to load; empty where njs is built in. */
  modulePath: string;
}

/** Lines by the context that they go into, in this order. */
export interface LinesToAdd {
  main: string[];
  http: string[];
  server: string[];
  /** Of a location that passes requests on. */
  passing: string[];
  /** Of a location that is to stay open. */
  open: string[];
}

/**
 * The lines for a configuration.
 * @param config what it already has; undefined where that is not known
 */
export function linesToAdd(wanted: Wanted, config: OperatorConfig | undefined): LinesToAdd {
  const include = (name: string) => `include ${join(wanted.dir, name)};`;
  const main = wanted.modulePath === '' || config?.loadsNjs ? [] : [`load_module ${wanted.modulePath};`];
  const http = [include('http.conf')];
  if (config?.headerBuffers === undefined) {
    http.push('large_client_header_buffers 4 32k;    # room for tokens of up to 12 KB');
  }
  if (config?.variablesHashMaxSize === undefined) {
    http.push('variables_hash_max_size 4096;    # else nginx warns about the number of variables');
  }
  return {
    main,
    http,
    server: [include('guard.conf'), `${include('routes.conf')}    # optional: /keygate/token, /keygate/health`],
    passing: [include('proxy_headers.conf')],
    open: [include('open.conf')],
  };
}

/** What else the configuration needs, or has that a reader should know; a line each. */
export function adviceFor(config: OperatorConfig | undefined): string[] {
  const resolver = config?.resolver === undefined ? 'resolver 127.0.0.53;' : undefined;
  const trusted =
    config?.trustedCertificate === undefined
      ? 'js_fetch_trusted_certificate /etc/ssl/certs/ca-certificates.crt;'
      : undefined;
  const forUrl = [resolver, trusted].filter((one) => one !== undefined);
  const advice =
    forUrl.length === 0 ? [] : [`with $keygate_jwks_url, http also needs, for example: ${forUrl.join(' ')}`];
  if (config?.headerBuffers !== undefined && !isRoomy(config.headerBuffers)) {
    advice.push(
      `large_client_header_buffers ${config.headerBuffers} stands in your configuration: 4 32k makes room for ` +
        'tokens of up to 12 KB',
    );
  }
  if (config?.talkativeLog !== undefined) {
    advice.push(
      `error_log at ${config.talkativeLog}: nginx then logs both values of a doubled Authorization header; ` +
        'notice does not',
    );
  }
  return advice;
}

// The second number is the longest line of a header.
function isRoomy(headerBuffers: string): boolean {
  const [, size, unit] = /^\d+ (\d+)([km]?)$/i.exec(headerBuffers) ?? [];
  const factor = { k: 1024, m: 1048576 }[unit?.toLowerCase() ?? ''] ?? 1;
  return Number(size) * factor >= 32768;
}
