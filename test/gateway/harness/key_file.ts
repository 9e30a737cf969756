// The key file of a gateway, as nginx and the sidecar have it.

import { createHash } from 'node:crypto';
import { request } from 'node:http';
import { join } from 'node:path';
import type { Gateway } from './gateway.js';

/** The hash of a key as a line of the key file has it, without a name. */
export function sha256Line(key: string): string {
  return `$sha256$${createHash('sha256').update(key).digest('base64url')}`;
}

/** How often nginx has said that it took the file up, and one. */
export function timesTakenUp(gateway: Gateway): number {
  return gateway.errorLog().split('keygate: API keys taken up').length;
}

/** @returns the statuses that a key or token gets on many connections at once, so that all workers are asked */
export async function askEverywhere(gateway: Gateway, credential: string): Promise<number[]> {
  const headers = { 'x-api-key': credential };
  const answers = await Promise.all(Array.from({ length: 12 }, () => gateway.send('/', { headers })));
  return [...new Set(answers.map((answer) => answer.status))];
}

/** @returns which content the sidecar has taken up, and which nginx */
export function sidecarHealth(gateway: Gateway): Promise<{ generation: string; nginxGeneration: string }> {
  return new Promise((resolve, reject) => {
    const socketPath = join(gateway.stateDir, 'run', 'verifier.sock');
    const headers = { 'content-type': 'application/vnd.keygate+json' };
    const sent = request({ socketPath, path: '/health', method: 'POST', headers }, (response) => {
      response.on('data', (part: Buffer) => resolve(JSON.parse(part.toString()) as never));
    });
    sent.on('error', reject);
    sent.end('{}');
  });
}
