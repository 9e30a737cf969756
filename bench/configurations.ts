// The nginx configurations that are compared: one worker, no TLS, no access log, connections kept on both sides.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sidecarMediaType } from '../auth/key_record.js';
import { openFileLimit } from '../launcher/facts.js';
import { bundles, snippetFiles } from '../nginx/snippet_files.js';

export interface Place {
  /** Absolute; holds `nginx/`, logs and temporary files. */
  dir: string;
  port: number;
  upstreamPort: number;
  /** The port that answers `/stream`; without it there is no such location. */
  streamPort?: number | undefined;
  /** Whether nginx answers by itself, so that nothing waits for an upstream. */
  isLocal?: boolean | undefined;
}

export interface Gate {
  engine: 'qjs' | 'njs';
  /** guard.conf, or guard_access.conf in each location. */
  entry: 'auth_request' | 'access';
  modulePath: string;
  nginxVersion: string;
  /** Where the decision server listens; a Unix socket unless it is named. */
  decisionAddress?: string;
  stateDir: string;
  jwksPath: string;
  /** Whether RATE_LIMIT_AUTH is as shipped and X-Forwarded-For names the client; else there is no limit. */
  isLimited?: boolean;
  /** More settings, by their nginx variables without `keygate_`. */
  settings?: { [name: string]: string };
  /** The port of the metrics server: then everything is counted. */
  metricsPort?: number;
  /** JavaScript in the place of Keygate's. */
  module?: string;
}

/** Files by their path under `nginx/`. */
export type Files = { [path: string]: string };

/** Makes the files of one nginx for where it is to run. */
export type Configuration = (place: Place) => Files;

const root = join(import.meta.dirname, '..');
const keptProxy = 'proxy_http_version 1.1; proxy_set_header Connection "";';

const maxConnections = 19000;

function whole(place: Place, parts: { main?: string; http?: string; server: string }): string {
  const { main = '', http = '', server } = parts;
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  const folders = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const temp = folders.map((name) => `${name}_temp_path ${place.dir}/temp/${name};`);
  const files = openFileLimit();
  return `${main} pcre_jit on;
${user} daemon off; worker_processes 1; worker_rlimit_nofile ${files}; pid ${place.dir}/nginx.pid; error_log ${place.dir}/error.log warn;
events { worker_connections ${Math.min(maxConnections, files)}; }
http {
    access_log off; keepalive_requests 10000000; large_client_header_buffers 4 32k; variables_hash_max_size 4096;
    ${temp.join(' ')}
    upstream upstream { server 127.0.0.1:${place.upstreamPort}; keepalive 128; keepalive_requests 10000000; }
    ${http}
    server { listen 127.0.0.1:${place.port} backlog=4096; ${server} }
}
`;
}

function locations({ streamPort, isLocal }: Place, inEach = ''): string {
  const answer = isLocal === true ? 'empty_gif;' : `proxy_pass http://upstream; ${keptProxy}`;
  const stream =
    streamPort === undefined
      ? ''
      : `location /stream { ${inEach} proxy_buffering off; proxy_pass http://127.0.0.1:${streamPort}; ${keptProxy} }`;
  return `location / { ${inEach} ${answer} } ${stream}`;
}

/** The upstream of all configurations: it gives a short answer. */
export function upstream(place: Place): Files {
  return { 'nginx.conf': whole(place, { server: 'location / { return 200 "{\\"ok\\":true}"; }' }) };
}

/** nginx that passes everything on. */
export function plain(place: Place): Files {
  return { 'nginx.conf': whole(place, { server: locations(place) }) };
}

/** nginx's own auth_request to a location that always admits: what any auth_request costs at least. */
export function nativeAuthRequest(place: Place): Files {
  const server = `location = /yes { internal; return 204; } ${locations(place, 'auth_request /yes;')}`;
  return { 'nginx.conf': whole(place, { server }) };
}

/** auth_request to a service on every request: the architecture that Keygate replaces, on Keygate's own sidecar. */
export function serviceAuthRequest(place: Place, socket: string): Files {
  const ask = `proxy_pass http://service/verify; ${keptProxy} proxy_method POST;
    proxy_pass_request_headers off; proxy_set_header Content-Type ${sidecarMediaType};
    proxy_set_body '{"credential":"$http_x_api_key","generation":""}';`;
  const http = `upstream service { server unix:${socket}; keepalive 64; }`;
  const server = `location = /ask { internal; ${ask} } ${locations(place, 'auth_request /ask;')}`;
  return { 'nginx.conf': whole(place, { http, server }) };
}

/** JavaScript that admits everybody: with Keygate's own configuration, what a decision server costs at least. */
export const emptyModule = `const none = () => {};
export default {
  ask(r) { r.headersOut['X-Keygate-Admitted'] = 'api_key'; r.return(204); },
  refresh: none, refreshJwks: none, fetchWantedJwks: none, report: none,
};
`;

/** Keygate, embedded as an operator embeds it: identity headers, settings and all. */
export function gated(place: Place, gate: Gate): Files {
  const { engine, nginxVersion, decisionAddress = `unix:${place.dir}/decision.sock` } = gate;
  const facts = { engine, nginxVersion, decisionAddress, decisionSecret: 'bench' };
  const files: Files = {};
  const snippets = snippetFiles({ ...facts, sourceDir: join(root, 'nginx') });
  for (const [name, text] of Object.entries(snippets)) files[`keygate/${name}`] = text;
  files['keygate/settings.conf'] = fillSettings(files['keygate/settings.conf'] as string, gate);
  for (const name of bundles) {
    const built = engine === 'qjs' ? `${name}.js` : `${name}.es5.js`;
    files[`keygate/${name}.js`] = readFileSync(join(root, 'dist', built), 'utf8');
  }
  if (gate.module !== undefined) files['keygate/keygate.js'] = gate.module;
  const counting = addMetrics(files, gate);
  const clients = 'set_real_ip_from 127.0.0.1; real_ip_header X-Forwarded-For;';
  const headers = 'include keygate/proxy_headers.conf;';
  files['nginx.conf'] = whole(place, {
    main: `load_module ${gate.modulePath}; env API_KEY; env API_KEYS;`,
    http: `${gate.isLimited === true ? clients : ''} include keygate/http.conf; ${counting.http}`,
    server:
      gate.entry === 'auth_request'
        ? `include keygate/guard.conf; ${counting.server} ${locations(place, headers)}`
        : `include keygate/locations.conf; ${counting.server} ${locations(place, `include keygate/guard_access.conf; ${headers}`)}`,
  });
  return files;
}

function addMetrics(files: Files, { metricsPort }: Gate): { http: string; server: string } {
  if (metricsPort === undefined) return { http: '', server: '' };
  const listen = `listen 127.0.0.1:${metricsPort}`;
  files['keygate/metrics.conf'] = (files['keygate/metrics.conf'] as string).replaceAll('listen 127.0.0.1:9145', listen);
  const count = 'access_log /dev/null keygate_nothing if=$keygate_counted;';
  return { http: 'include keygate/metrics.conf;', server: `include keygate/count_requests.conf; ${count}` };
}

function fillSettings(snippet: string, { stateDir, jwksPath, isLimited, settings }: Gate): string {
  const socket = `unix:${join(stateDir, 'run', 'verifier.sock')}`;
  const values: { [name: string]: string } = {
    api_keys_file: join(stateDir, 'keys', 'api_keys.txt'),
    state_dir: stateDir,
    jwks_path: jwksPath,
    jwt_issuer: 'https://issuer.example',
    jwt_audience: 'bench',
    ...(isLimited === true ? {} : { rate_limit_auth: 'off' }),
    sidecar: socket,
    ...settings,
  };
  const filled = snippet.replace(/^(js_var \$keygate_(\w+)) ".*?";/gm, (line, start: string, name: string) =>
    name in values ? `${start} "${values[name]}";` : line,
  );
  return filled.replace(/server unix:[^;]+;/, `server ${socket};`);
}
