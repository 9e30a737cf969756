// Asking the sidecar as nginx does, for programs that run beside it.

import { request } from 'node:http';
import { sidecarMediaType } from '../auth/key_record.js';
import { readIfThere, verifierSecretPath } from './state_files.js';

/** Where the sidecar listens, as Node.js takes it for a server or a request. */
export type SidecarPlace = { path: string } | { host: string; port: number };

/** The place as nginx writes it: `unix:/path`, `address:port` or `[address]:port`. */
export function formatSidecarAddress(place: SidecarPlace): string {
  if ('path' in place) return `unix:${place.path}`;
  return place.host.includes(':') ? `[${place.host}]:${place.port}` : `${place.host}:${place.port}`;
}

export interface SidecarAnswer {
  status: number;
  body: string;
}

const timeoutMs = 2000;

/**
 * Asks the sidecar about its health.
 * @param stateDir the folder of the secret that the sidecar asks for over TCP
 * @returns its answer, or undefined without an answer within 2 s
 */
export function askHealth(place: SidecarPlace, stateDir: string): Promise<SidecarAnswer | undefined> {
  const secret = 'path' in place ? undefined : readIfThere(verifierSecretPath(stateDir))?.trim();
  const headers = { 'content-type': sidecarMediaType, ...(secret === undefined ? {} : { 'x-keygate-secret': secret }) };
  const target = 'path' in place ? { socketPath: place.path } : place;
  return new Promise((resolve) => {
    const options = { ...target, path: '/health', method: 'POST', headers, timeout: timeoutMs };
    const sent = request(options, (response) => {
      let body = '';
      response.on('data', (part: Buffer) => (body += part.toString()));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    });
    sent.on('timeout', () => sent.destroy());
    sent.on('error', () => resolve(undefined));
    sent.end('{}');
  });
}
