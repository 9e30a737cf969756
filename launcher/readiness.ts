// Whether the gateway serves requests, asked as a client would.

import { readFileSync } from 'node:fs';
import { get } from 'node:https';
import { Fault } from '../node/fault.js';

const timeoutMs = 15000;

/** Waits until the gateway has taken its keys up; a gateway that ends meanwhile is a fault. */
export async function waitUntilServed(url: string, hasEnded: () => boolean, errorLog: string): Promise<void> {
  const endMs = Date.now() + timeoutMs;
  while (Date.now() < endMs) {
    if (hasEnded()) throw new Fault(`nginx ended: ${lastFault(errorLog)}`);
    const body = await ask(`${url}/health/ready`);
    if (body !== undefined && !body.includes('"keys":"failing"')) return;
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  if ((await ask(`${url}/health`)) !== undefined) return; // it serves, and its log says what is missing
  throw new Fault(`nginx did not answer within ${timeoutMs / 1000} s: see ${errorLog}`);
}

function ask(url: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const sent = get(url, { rejectUnauthorized: false, agent: false, timeout: 3000 }, (response) => {
      let body = '';
      response.on('data', (part: Buffer) => (body += part.toString()));
      response.on('end', () => resolve(body));
    });
    sent.on('timeout', () => sent.destroy());
    sent.on('error', () => resolve(undefined));
  });
}

function lastFault(errorLog: string): string {
  const lines = readFileSync(errorLog, 'utf8').split('\n');
  return lines.filter((line) => /\[(?:emerg|alert)\]/.test(line)).pop() ?? `see ${errorLog}`;
}
