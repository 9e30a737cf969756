// An operator's own configuration with Keygate's includes in it: plain HTTP, one server, and what the test adds.

import { startGateway, type Gateway, type GatewayOptions, type OperatorPlaces } from './gateway.js';
import type { Variant } from './variants.js';

export interface EmbeddedOptions extends Omit<GatewayOptions, 'conf'> {
  /** Directives at http level. */
  http?: string | ((places: OperatorPlaces) => string);
  /** Directives at http level before Keygate's includes. */
  httpFirst?: string;
  /** Directives of the server, after Keygate's includes; GUARD stands for the include of a guarded location. */
  server?: string | ((places: OperatorPlaces) => string);
  /** Directives of the server before Keygate's includes. */
  serverFirst?: string;
  /** Whether the whole server is guarded, and not single locations. */
  isServerGuarded?: boolean;
}

/** The include that guards a location on a variant. */
export function guardOf(variant: Variant): string {
  return `include keygate/${variant.entry === 'access' ? 'guard_access.conf' : 'guard_location.conf'};`;
}

/** Keygate's line in the server of the full gateway. */
export function serverGuard(variant: Variant): string {
  return `include keygate/${variant.entry === 'access' ? 'locations.conf' : 'guard.conf'};`;
}

/** Starts nginx on an operator's configuration. */
export function startEmbedded(options: EmbeddedOptions): Promise<Gateway> {
  return startGateway({ ...options, conf: (places) => operatorConf(options, places) });
}

function operatorConf(options: EmbeddedOptions, places: OperatorPlaces): string {
  const { port, facts } = places;
  const text = (part: EmbeddedOptions['http']) => (typeof part === 'function' ? part(places) : (part ?? ''));
  const conf = `${preamble(places)}
http {
    ${temporaryFolders(places)}
    log_format operator '$status $request_uri "$keygate_undecided" "$keygate_reason" "$keygate_user"';
    access_log ${facts.accessLog} operator;
    ${options.httpFirst ?? ''}
    include keygate/http.conf;
    upstream app { server ${new URL(facts.upstreamUrl).host}; keepalive 8; }
    ${text(options.http)}
    server {
        listen 127.0.0.1:${port} default_server;
        ${options.serverFirst ?? ''}
        include keygate/${options.isServerGuarded ? 'guard.conf' : 'locations.conf'};
        include keygate/routes.conf;
        ${text(options.server)}
    }
}
`;
  return conf.replace(/\bGUARD;?/g, guardOf(options.variant));
}

/** The main context of a test's nginx.conf. */
export function preamble({ dir, facts }: OperatorPlaces): string {
  return `load_module ${facts.modulePath};
${facts.userDirective}
daemon off;
worker_processes ${facts.workers};
pid ${dir}/nginx.pid;
error_log ${facts.errorLog} notice;
events { worker_connections 512; }`;
}

/** Temporary files of an nginx that may write nowhere else. */
export function temporaryFolders({ facts }: OperatorPlaces): string {
  const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return kinds.map((kind) => `${kind}_temp_path ${facts.tempDir}/${kind};`).join(' ');
}
