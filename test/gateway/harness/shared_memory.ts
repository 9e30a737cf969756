// What stands in nginx's shared dictionaries, read and cleared by handlers that a test puts beside Keygate's.

import type { Gateway, GatewayOptions } from './gateway.js';

const handlers = `
function read(r) { r.return(200, JSON.stringify(ngx.shared[r.args.zone].items(100000))); }
function clear(r) { ngx.shared[r.args.zone].clear(); r.return(204); }
export default { read, clear };
`;

/** Edits for startGateway: the handlers, and `locations` in the server. */
export function withMemoryHandlers(
  locations: string,
  zones: { [zone: string]: string } = {},
): NonNullable<GatewayOptions['edit']> {
  return {
    'keygate/memory.js': () => handlers,
    'keygate/decision_server.conf': (conf) =>
      Object.entries(zones).reduce(
        (text, [zone, size]) => text.replace(new RegExp(`zone=${zone}:\\w+`), `zone=${zone}:${size}`),
        conf,
      ),
    'nginx.conf': (conf) =>
      conf.replace(
        'include keygate/routes.conf;',
        `include keygate/routes.conf;
         location /memory/ {
           auth_request off;
           js_import memory from keygate/memory.js;
           location = /memory/read { js_content memory.read; }
           location = /memory/clear { js_content memory.clear; }
         }
         ${locations}`,
      ),
  };
}

/** Names and values of a dictionary. */
export async function readZone(gateway: Gateway, zone: string): Promise<[string, string | number][]> {
  const answer = await gateway.send(`/memory/read?zone=${zone}`);
  return JSON.parse(answer.body) as [string, string | number][];
}

/** Empties a dictionary. */
export async function clearZone(gateway: Gateway, zone: string): Promise<void> {
  await gateway.send(`/memory/clear?zone=${zone}`);
}
