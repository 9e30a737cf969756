// What else one could put in front of an upstream, under the same load.

import { spawnSync } from 'node:child_process';
import { createPublicKey, type JsonWebKey } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compare, type Comparison, type Subject } from './comparison.js';
import * as configurations from './configurations.js';
import type { Load } from './load.js';
import { freePort, startProgram } from './processes.js';

export interface PeersSetting {
  dir: string;
  start: (name: string, files: (place: configurations.Place) => configurations.Files) => Promise<Subject>;
  plain: Subject;
  known: Omit<Load, 'port'>;
  count: number;
  /** Keygate with other JavaScript. */
  gateWith: (module: string) => (place: configurations.Place) => configurations.Files;
  rsaJwk: object;
  socket: string;
  /** An API key that the sidecar knows. */
  key: string;
  upstreamPort: number;
  stops: (() => Promise<void>)[];
}

/** Measures each peer that is there, by its name in the report. */
export async function measurePeers(setting: PeersSetting): Promise<{ [name: string]: Comparison }> {
  const { start, plain, known, count, socket } = setting;
  const peers: { [name: string]: Comparison } = {};
  const empty = await start('empty', setting.gateWith(configurations.emptyModule));
  peers['js_access that admits everybody, same configuration'] = await compare(empty, plain, known, { count });
  const native = await start('native', configurations.nativeAuthRequest);
  peers['auth_request to an empty location'] = await compare(native, plain, known, { count });
  const haproxy = await startHaproxy(setting);
  if (haproxy !== undefined) peers['HAProxy jwt_verify, RS256'] = await compare(haproxy, plain, known, { count });
  const service = await start('service', (place) => configurations.serviceAuthRequest(place, socket));
  const withKey = { ...known, header: 'x-api-key', value: setting.key };
  peers['auth_request to a service, every request'] = await compare(service, plain, withKey, { count });
  return peers;
} // prettier-ignore

async function startHaproxy(setting: PeersSetting): Promise<Subject | undefined> {
  if (spawnSync('haproxy', ['-v']).error !== undefined) return undefined;
  const dir = join(setting.dir, 'haproxy');
  mkdirSync(dir);
  const key = createPublicKey({ key: setting.rsaJwk as JsonWebKey, format: 'jwk' });
  writeFileSync(join(dir, 'key.pem'), key.export({ type: 'spki', format: 'pem' }));
  const port = await freePort();
  writeFileSync(
    join(dir, 'haproxy.cfg'),
    `global
    nbthread 1
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend gate
    bind 127.0.0.1:${port}
    http-request set-var(txn.alg) http_auth_bearer,jwt_header_query('$.alg')
    http-request set-var(txn.exp) http_auth_bearer,jwt_payload_query('$.exp','int')
    http-request deny deny_status 401 unless { var(txn.alg) -m str RS256 }
    http-request deny deny_status 401 unless { http_auth_bearer,jwt_verify(txn.alg,"${dir}/key.pem") -m int 1 }
    http-request deny deny_status 401 if { var(txn.exp),neg,add(0),sub(0) -m int gt 0 }
    default_backend upstream
backend upstream
    http-reuse always
    server one 127.0.0.1:${setting.upstreamPort}
`,
  );
  const process = await startProgram('haproxy', ['-db', '-f', join(dir, 'haproxy.cfg')], port);
  setting.stops.push(process.stop);
  return { name: 'haproxy', port, process };
}
