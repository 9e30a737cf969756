// The full gateway's configuration: settings put into the template and into settings.conf. Every value was checked in
// settings/, so no value can end its directive.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { requestIdPattern } from '../../auth/request_id.js';
import type { RateLimit, Settings } from '../../settings/read.js';
import { renderClientCertificates, renderPages, renderResource } from './render_clients.js';
import { formatListen, renderMetrics, type MetricsFacts } from './render_metrics.js';
import { bundles, fillBodies, snippetFiles, type SnippetFacts } from '../snippet_files.js';

/** Facts that are found only at a start. Paths are absolute. */
export interface GatewayFacts extends SnippetFacts, MetricsFacts {
  /** Where the bundles are. */
  distDir: string;
  /** Where nginx.pid and temporary files go. */
  runDir: string;
  tempDir: string;
  modulePath: string;
  guard: 'access' | 'auth_request';
  /** How many files a worker may open, which limits its connections. */
  openFiles: number;
  /** `user NAME GROUP;` when nginx starts as root, else empty. */
  userDirective: string;
  certificateKey: string;
  upstreamUrl: string;
  stateDir: string;
  /** `unix:/path` or `address:port` of the sidecar. */
  sidecarAddress: string;
  /** The secret that the sidecar asks for over TCP. */
  sidecarSecret: string | undefined;
  errorLog: string;
  accessLog: string;
  /** Leave the container's own health checks out of the access log. */
  isProbed?: boolean;
  workers: string;
  resolver: string;
  /** Ask `resolver` again and again for the upstream's address: containers get new ones. */
  isUpstreamMoving?: boolean;
  caFile: string;
}

/** Files by their path relative to the configuration's folder; nginx.conf is one of them. */
export interface RenderedGateway {
  files: { [relativePath: string]: string };
}

/** Renders every file that nginx needs. */
export function renderGateway(settings: Settings, facts: GatewayFacts): RenderedGateway {
  const files: { [path: string]: string } = {};
  const { credentialHeaders } = settings;
  for (const [name, text] of Object.entries(snippetFiles({ ...facts, credentialHeaders })))
    files[`keygate/${name}`] = text;
  files['keygate/settings.conf'] = renderSettings(files['keygate/settings.conf'] as string, settings, facts);
  files['keygate/request_id.conf'] = requestIds;
  for (const name of bundles) {
    const built = facts.engine === 'qjs' ? `${name}.js` : `${name}.es5.js`;
    files[`keygate/${name}.js`] = readFileSync(join(facts.distDir, built), 'utf8');
  }
  files['gateway/trusted_proxies.conf'] = renderTrustedProxies(settings.trustedProxies);
  files['gateway/limits.conf'] = renderLimits(settings);
  files['gateway/limit_api.conf'] = renderLimitApi(settings);
  const read = (name: string) => readFileSync(join(facts.sourceDir, 'gateway', name), 'utf8');
  const headers = read('security_headers.conf');
  files['gateway/security_headers.conf'] = headers;
  files['keygate/refusal_headers.conf'] = headers;
  delete files['keygate/since_1_29_3.conf']; // or refusals would have these headers, and X-Request-Id, twice
  files['gateway/upstream.conf'] = renderUpstream(facts);
  files['gateway/to_upstream.conf'] = renderToUpstream(settings, facts);
  files['gateway/resource.conf'] = renderResource(settings.oauthResource);
  files['gateway/pages.conf'] = renderPages(settings.corsOrigins);
  files['gateway/jwks.conf'] = renderJwks(settings, facts);
  files['gateway/client_certificates.conf'] = renderClientCertificates(settings);
  Object.assign(files, renderMetrics(files['keygate/metrics.conf'] as string, settings, facts));
  if (facts.sidecarSecret !== undefined) {
    files['keygate/sidecar_secret.conf'] = `proxy_set_header X-Keygate-Secret ${facts.sidecarSecret};\n`;
  }
  files['gateway/errors.conf'] = read('errors.conf');
  const values = templateValues(settings, facts);
  files['gateway/proxied.conf'] = fill(read('proxied.conf.template'), values);
  files['nginx.conf'] = fillBodies(fill(read('nginx.conf.template'), values));
  return { files };
}

// One worker with 10,000 streams, each with its client's and its upstream's connection, and room for questions.
const mostConnections = 32768;
const otherFiles = 64; // logs, shared memory, listening sockets

/** How many connections a worker has that may open so many files. */
export function fitConnections(openFiles: number): number {
  return Math.min(mostConnections, openFiles - otherFiles);
}

const accessGuard = 'include keygate/guard_access.conf; include keygate/errors.conf;';

// A client's own id is kept also where nothing is decided (limits, bad requests). The pattern may run here: this server
// has no captures to overwrite.
const requestIds = `# The id of a request: the client's X-Request-Id, where it does no harm in headers and logs, else a new id.
map $http_x_request_id $keygate_request_id {
    "~${requestIdPattern}" $http_x_request_id;
    default $request_id;
}
`;

function templateValues(settings: Settings, facts: GatewayFacts): { [name: string]: string } {
  return {
    MODULE: facts.modulePath,
    USER: facts.userDirective,
    WORKERS: facts.workers,
    RUN_DIR: facts.runDir,
    TEMP_DIR: facts.tempDir,
    ERROR_LOG: facts.errorLog,
    ACCESS_LOG: `${facts.accessLog} keygate_audit${facts.isProbed ? ' if=$keygate_is_logged' : ''}`,
    OPEN_FILES: String(facts.openFiles),
    CONNECTIONS: String(fitConnections(facts.openFiles)),
    LISTEN: formatListen(settings.listenAddress, settings.listenPort),
    CERTIFICATE: facts.certificate,
    CERTIFICATE_KEY: facts.certificateKey,
    SERVER_GUARD: facts.guard === 'access' ? 'locations.conf' : 'guard.conf',
    LOCATION_GUARD: facts.guard === 'access' ? accessGuard : '',
    UPSTREAM: renderProxyPass(new URL(facts.upstreamUrl)),
  };
}

function fill(template: string, values: { [name: string]: string }): string {
  return template.replace(/@([A-Z_]+)@/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`nginx.conf.template: no value for @${name}@`);
    return value;
  });
}

/** Puts values in the place of the defaults of settings.conf. */
function renderSettings(snippet: string, settings: Settings, facts: GatewayFacts): string {
  const values: { [variable: string]: string } = {
    ...settings.nginxVariables,
    keygate_state_dir: facts.stateDir,
    keygate_cluster: settings.cluster === undefined ? 'off' : 'on',
    keygate_hide_token_route: 'on', // copilot-api's own /token returns its GitHub token
    keygate_identity_headers: 'drop',
    keygate_sidecar: facts.sidecarAddress,
    keygate_jwt_providers_file: settings.jwtProviders ?? '',
  };
  let rendered = snippet.replace(/server unix:[^ ;]+/, `server ${facts.sidecarAddress}`);
  for (const [variable, value] of Object.entries(values)) {
    const line = new RegExp(`^(js_var \\$${variable}) ".*?";`, 'm');
    if (!line.test(rendered)) throw new Error(`settings.conf: no js_var $${variable}`);
    rendered = rendered.replace(line, (_, start: string) => `${start} "${value}";`);
  }
  return rendered;
}

function formatRate(limit: RateLimit | 'off'): string {
  return limit === 'off' ? 'off' : `${limit.requests}r/${limit.per}`;
}

function renderTrustedProxies(proxies: string[]): string {
  if (proxies.length === 0) return '# TRUSTED_PROXIES: none\n';
  const lines = proxies.map((proxy) => `set_real_ip_from ${proxy};`);
  return [...lines, 'real_ip_header X-Forwarded-For;', 'real_ip_recursive on;', ''].join('\n');
}

// An IPv6 client owns a /64; an IPv4 address that arrives mapped into IPv6 counts as itself.
function renderLimits(settings: Settings): string {
  const zone =
    settings.rateLimitApi === 'off'
      ? '# RATE_LIMIT_API=off'
      : `limit_req_zone $keygate_client_network zone=keygate_api:10m rate=${formatRate(settings.rateLimitApi)};`;
  return `map $binary_remote_addr $keygate_client_network {
    "~(?s)^\\x00{10}\\xff\\xff(?<keygate_ipv4>.{4})$" $keygate_ipv4;
    "~(?s)^(?<keygate_ipv6_net>.{8}).{8}$" $keygate_ipv6_net;
    default $binary_remote_addr;
}
${zone}
limit_req_status 429;
limit_req_log_level info; # not logged: the line would hold the query, and the access log has the 429
`;
}

function renderLimitApi(settings: Settings): string {
  if (settings.rateLimitApi === 'off') return '# RATE_LIMIT_API=off\n';
  const burst = settings.rateLimitApiBurst;
  return `limit_req zone=keygate_api${burst > 0 ? ` burst=${burst} nodelay` : ''};\n`;
}

// nginx resolves the name of a moving upstream while it runs; the name need not exist when nginx starts.
function renderUpstream({ upstreamUrl, isUpstreamMoving, resolver }: GatewayFacts): string {
  const url = new URL(upstreamUrl);
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  const lines = isUpstreamMoving
    ? [
        'zone keygate_upstream 64k;',
        `resolver ${resolver} valid=2s ipv6=off;`,
        `server ${url.hostname}:${port} resolve max_fails=0;`,
      ]
    : [`server ${url.hostname}:${port} max_fails=0;`];
  return `upstream keygate_upstream {
${lines.map((line) => `    ${line}`).join('\n')}
    keepalive 32;
    keepalive_timeout 4s; # Node.js and uvicorn close after 5 s: a request that meets that is lost
}
`;
}

// The target goes on as the client sent it, below the path of UPSTREAM_URL.
function renderProxyPass(url: URL): string {
  const path = url.pathname.replace(/\/+$/, '');
  return `${url.protocol}//keygate_upstream${path === '' ? '' : `${path}$request_uri`}`;
}

function renderToUpstream(settings: Settings, facts: GatewayFacts): string {
  const url = new URL(facts.upstreamUrl);
  // The upstream may put this name into a redirect, with either scheme.
  const base = `${url.host}${url.pathname.replace(/\/*$/, '/')}`;
  const redirects = ['http', 'https'].map((scheme) => `proxy_redirect ${scheme}://${base} /;\n`).join('');
  const host = `proxy_set_header Host ${url.host};\n${redirects}`;
  if (url.protocol !== 'https:') return host;
  return `${host}proxy_ssl_server_name on;
proxy_ssl_name ${url.hostname};
proxy_ssl_verify on;
proxy_ssl_verify_depth 5;
proxy_ssl_trusted_certificate ${settings.upstreamCa ?? facts.caFile};
proxy_ssl_protocols TLSv1.2 TLSv1.3;
`;
}

function renderJwks(settings: Settings, facts: GatewayFacts): string {
  if (settings.jwksUrl === undefined && settings.jwtProviders === undefined) return '# JWKS_URL: not set\n';
  return `resolver ${facts.resolver} ipv6=off;
js_fetch_trusted_certificate ${settings.jwksCa ?? facts.caFile};
js_fetch_verify_depth 5;
`;
}
