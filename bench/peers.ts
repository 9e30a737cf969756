// What else an operator could put in front of an upstream, under the same load.

import { spawnSync } from 'node:child_process';
import { createPublicKey, type JsonWebKey } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findFreePort } from '../launcher/facts.js';
import { compare, type Subject } from './comparison.js';
import * as configurations from './configurations.js';
import { startProgram } from './processes.js';
import type { Figures } from './rows.js';
import { aimKnown, type Stand } from './stand.js';

/** Measures each peer, by its name in the report; HAProxy only where it is installed. */
export async function measurePeers(stand: Stand): Promise<Figures> {
  const { start, gate, plain, stateDir } = stand;
  const socket = join(stateDir, 'run', 'verifier.sock');
  const token = aimKnown(stand);
  const key = { ...token, header: 'x-api-key', value: stand.credentials.keys[0] as string };
  const figures: Figures = {};
  const measure = async (title: string, subject: Subject, aim = token) => {
    figures[title] = await compare({ subject, plain, aim, rounds: stand.scale.rounds });
  };
  const empty = await start('empty', gate({ module: configurations.emptyModule }));
  await measure('decision server that admits everybody, same configuration', empty);
  await measure('auth_request to an empty location', await start('native', configurations.nativeAuthRequest));
  const haproxy = await startHaproxy(stand);
  if (haproxy !== undefined) await measure('HAProxy jwt_verify, RS256', haproxy);
  const service = await start('service', (place) => configurations.serviceAuthRequest(place, socket));
  await measure('auth_request to a service, every request', service, key);
  return figures;
}

async function startHaproxy(stand: Stand): Promise<Subject | undefined> {
  if (spawnSync('haproxy', ['-v']).error !== undefined) return undefined;
  const dir = join(stand.dir, 'haproxy');
  mkdirSync(dir);
  const key = createPublicKey({ key: stand.credentials.rsa.jwk as JsonWebKey, format: 'jwk' });
  writeFileSync(join(dir, 'key.pem'), key.export({ type: 'spki', format: 'pem' }));
  const port = await findFreePort();
  writeFileSync(join(dir, 'haproxy.cfg'), haproxyConfiguration(port, stand.upstreamPort, join(dir, 'key.pem')));
  const process = await startProgram('haproxy', ['-db', '-f', join(dir, 'haproxy.cfg')], port);
  stand.stops.push(process.stop);
  return { name: 'haproxy', port, process };
}

const haproxyConfiguration = (port: number, upstreamPort: number, keyFile: string) => `global
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
    http-request deny deny_status 401 unless { http_auth_bearer,jwt_verify(txn.alg,"${keyFile}") -m int 1 }
    http-request deny deny_status 401 if { var(txn.exp),neg,add(0),sub(0) -m int gt 0 }
    default_backend upstream
backend upstream
    http-reuse always
    server one 127.0.0.1:${upstreamPort}
`;
