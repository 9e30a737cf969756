// The nginx configurations that are compared: one worker, no TLS, no access log, connections kept on both sides.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { snippetFiles } from '../nginx/snippet_files.js';

export interface Place {
  /** Absolute; holds `nginx/`, logs and temporary files. */
  dir: string;
  port: number;
  upstreamPort: number;
}

export interface Gate {
  engine: 'qjs' | 'njs';
  entry: 'access' | 'auth_request';
  modulePath: string;
  nginxVersion: string;
  /** Where the decision server listens; a Unix socket unless it is named. */
  decisionAddress?: string;
  stateDir: string;
  jwksPath: string;
  /** Whether RATE_LIMIT_AUTH is as shipped and X-Forwarded-For names the client; else there is no limit. */
  isLimited?: boolean;
  /** In the place of Keygate's JavaScript. */
  module?: string | undefined;
}

/** Files by their path under `nginx/`. */
export type Files = { [path: string]: string };

const root = join(import.meta.dirname, '..');
const proxy = 'proxy_pass http://upstream; proxy_http_version 1.1; proxy_set_header Connection "";';

function whole(place: Place, { main = '', http = '', server }: { main?: string; http?: string; server: string }): string {
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${place.dir}/temp/${name};`);
  return `${main} pcre_jit on;
${user} daemon off; worker_processes 1; pid ${place.dir}/nginx.pid; error_log ${place.dir}/error.log warn;
events { worker_connections 2048; }
http {
    access_log off; keepalive_requests 10000000; large_client_header_buffers 4 32k; variables_hash_max_size 2048;
    ${temp.join(' ')}
    upstream upstream { server 127.0.0.1:${place.upstreamPort}; keepalive 128; keepalive_requests 10000000; }
    ${http}
    server { listen 127.0.0.1:${place.port} backlog=2048; ${server} }
}
`;
} // prettier-ignore

/** What stands behind all of them: a short answer. */
export function upstream(place: Place): Files {
  return { 'nginx.conf': whole(place, { server: 'location / { return 200 "{\\"ok\\":true}"; }' }) };
}

/** nginx that passes everything on. */
export function plain(place: Place): Files {
  return { 'nginx.conf': whole(place, { server: `location / { ${proxy} }` }) };
}

/** nginx's own auth_request to a location that always says yes: what any such design costs at least. */
export function nativeAuthRequest(place: Place): Files {
  const server = `location = /yes { internal; return 204; } location / { auth_request /yes; ${proxy} }`;
  return { 'nginx.conf': whole(place, { server }) };
}

/** auth_request to a service on every request: the architecture that Keygate replaces, on Keygate's own sidecar. */
export function serviceAuthRequest(place: Place, socket: string): Files {
  const ask = `proxy_pass http://service/verify; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_method POST;
    proxy_pass_request_headers off; proxy_set_header Content-Type application/vnd.keygate+json;
    proxy_set_body '{"credential":"$http_x_api_key","generation":""}';`;
  const http = `upstream service { server unix:${socket}; keepalive 64; }`;
  const server = `location = /ask { internal; ${ask} } location / { auth_request /ask; ${proxy} }`;
  return { 'nginx.conf': whole(place, { http, server }) };
}

/** JavaScript that admits everybody: with Keygate's own configuration, what any gate made of js_access costs at least. */
export const emptyModule = `const none = () => {};
export default {
  access(r) { r.decline(); },
  ask(r) { r.headersOut['X-Keygate-Admitted'] = 'api_key'; r.return(204); },
  refresh: none, refreshJwks: none, fetchWantedJwks: none, report: none,
};
`;

/** Keygate, embedded as an operator embeds it: identity headers, settings and all. */
export function gated(place: Place, gate: Gate): Files {
  const files: Files = {};
  const facts = { sourceDir: join(root, 'nginx'), engine: gate.engine, nginxVersion: gate.nginxVersion, decisionAddress: gate.decisionAddress ?? `unix:${place.dir}/decision.sock`, decisionSecret: 'bench' };
  for (const [name, text] of Object.entries(snippetFiles(facts))) files[`keygate/${name}`] = text;
  const values: { [name: string]: string } = {
    api_keys_file: join(gate.stateDir, 'keys', 'api_keys.txt'),
    state_dir: gate.stateDir,
    jwks_path: gate.jwksPath,
    jwt_issuer: 'https://issuer.example',
    jwt_audience: 'bench',
    ...(gate.isLimited === true ? {} : { rate_limit_auth: 'off' }),
    sidecar: `unix:${gate.stateDir}/run/verifier.sock`,
  };
  const settings = (files['keygate/settings.conf'] as string).replace(
    /^(js_var \$keygate_(\w+)) ".*?";/gm,
    (line, start: string, name: string) => (name in values ? `${start} "${values[name]}";` : line),
  );
  files['keygate/settings.conf'] = settings.replace(/server unix:[^;]+;/, `server unix:${gate.stateDir}/run/verifier.sock;`);
  const bundle = gate.engine === 'qjs' ? 'keygate.js' : 'keygate.es5.js';
  files['keygate/keygate.js'] = gate.module ?? readFileSync(join(root, 'dist', bundle), 'utf8');
  const clients = gate.isLimited === true ? 'set_real_ip_from 127.0.0.1; real_ip_header X-Forwarded-For;' : '';
  files['nginx.conf'] = whole(place, {
    main: `load_module ${gate.modulePath}; env API_KEY; env API_KEYS;`,
    http: `${clients} include keygate/http.conf;`,
    server: gate.entry === 'access'
      ? `include keygate/locations.conf; location / { include keygate/guard_access.conf; include keygate/proxy_headers.conf; ${proxy} }`
      : `include keygate/guard.conf; location / { include keygate/proxy_headers.conf; ${proxy} }`,
  });
  return files;
} // prettier-ignore
