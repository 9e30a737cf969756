// What this machine has and allows: open files, ports, sockets, its name server and certificate authorities.

import { existsSync, readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { fitConnections, type GatewayFacts } from '../nginx/gateway/render.js';
import { join } from 'node:path';
import { formatSidecarAddress } from '../node/ask_sidecar.js';
import { loadSecret, verifierSecretPath } from '../node/state_files.js';
import { readProviderLines } from '../settings/providers_file.js';
import type { Settings } from '../settings/read.js';
import type { CertificateFiles } from './certificate.js';

const wantedOpenFiles = 65536;

/** How many files nginx may open here: a process may raise its limit as far as the hard one. */
export function openFileLimit(): number {
  const limits = existsSync('/proc/self/limits') ? readFileSync('/proc/self/limits', 'utf8') : '';
  const hard = /^Max open files\s+\S+\s+(\d+|unlimited)/m.exec(limits)?.[1] ?? '4096';
  return hard === 'unlimited' ? wantedOpenFiles : Math.min(wantedOpenFiles, Number(hard));
}

/** @returns a line about the limit where it allows fewer streams than are wanted */
export function describeLimit(openFiles: number): string | undefined {
  if (openFiles === wantedOpenFiles) return undefined;
  const streams = Math.floor(fitConnections(openFiles) / 2);
  return (
    `streams are limited to ${streams} at once in each worker of nginx: a process may open ${openFiles} files ` +
    'here (ulimit -Hn), and ' +
    `${wantedOpenFiles} are wanted`
  );
}

/** The machine's own name server: nginx does not read resolv.conf by itself. */
export function findResolver(): string {
  try {
    const server = /^nameserver\s+(\S+)/m.exec(readFileSync('/etc/resolv.conf', 'utf8'))?.[1] ?? '127.0.0.1';
    return server.includes(':') ? `[${server}]` : server;
  } catch {
    return '127.0.0.1';
  }
}

/** A port of loopback on which no process listens now. */
export function findFreePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

/** unix(7): 108 with the zero behind it. */
export const maxSocketPathBytes = 107;

/** Whether a Unix socket can have this path. */
export function fitsSocket(path: string): boolean {
  return Buffer.byteLength(path) <= maxSocketPathBytes;
}

const bundles = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt', '/etc/ssl/cert.pem'];

/** The machine's own certificate authorities. */
export function findCaFile(): string | undefined {
  return bundles.find((path) => existsSync(path));
}

const packageDir = join(import.meta.dirname, '..');

/** Where the metrics server listens under `npm start`. */
export const metricsAddress = '127.0.0.1';

type SharedFacts = Pick<
  GatewayFacts,
  | 'sourceDir'
  | 'distDir'
  | 'openFiles'
  | 'guard'
  | 'certificate'
  | 'certificateKey'
  | 'metricsAddress'
  | 'upstreamUrl'
  | 'stateDir'
  | 'sidecarAddress'
  | 'sidecarSecret'
  | 'claims'
  | 'providerHeaders'
>;

/** Derives from the settings what `npm start` and the container share; for TCP this makes the sidecar's secret once. */
export function sharedFacts(settings: Settings, certificate: CertificateFiles, upstreamUrl: string): SharedFacts {
  const { sidecar, stateDir } = settings;
  return {
    sourceDir: join(packageDir, 'nginx'),
    distDir: join(packageDir, 'dist'),
    openFiles: openFileLimit(),
    guard: settings.authEntry === 'access' ? 'access' : 'auth_request',
    certificate: certificate.certificate,
    certificateKey: certificate.key,
    metricsAddress,
    upstreamUrl,
    stateDir,
    sidecarAddress: formatSidecarAddress(sidecar),
    ...readProviderLines(settings),
    sidecarSecret: 'path' in sidecar ? undefined : loadSecret(verifierSecretPath(stateDir), 0o600),
  };
}
