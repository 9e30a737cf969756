// The real sidecar with something before it that counts what nginx asks: how a test knows that a cache answered.
// Start the gateway with `sidecar: false`.

import { createServer, request } from 'node:http';
import { join } from 'node:path';
import type { Gateway } from './gateway.js';
import { startSidecar } from './sidecar_process.js';

export interface CountedSidecar {
  /** How often nginx asked about a key, or about the signature of a token; without one, about any. */
  asked: (credential?: string) => number;
  stop: () => Promise<void>;
}

interface Question {
  credential?: string;
  signedText?: string;
  signature?: string;
}

/** Starts the sidecar of a gateway that has none. */
export async function startCountedSidecar(
  gateway: Gateway,
  settings: { [name: string]: string } = {},
): Promise<CountedSidecar> {
  const run = join(gateway.stateDir, 'run');
  const behind = join(run, 'counted.sock');
  const env = { STATE_DIR: gateway.stateDir, API_KEYS_FILE: gateway.keysFile, ...settings };
  const sidecar = await startSidecar({ env, socket: behind });
  const asked: string[] = [];
  const server = createServer((question, answer) => {
    const parts: Buffer[] = [];
    question.on('data', (part: Buffer) => parts.push(part));
    question.on('end', () => {
      const body = Buffer.concat(parts);
      const { credential, signedText, signature } = JSON.parse(body.toString()) as Question;
      if (question.url === '/verify') asked.push(String(credential));
      if (question.url === '/signature') asked.push(`${signedText}.${signature}`);
      const { url, headers } = question;
      const sent = request({ socketPath: behind, path: url, method: 'POST', headers }, (given) => {
        answer.writeHead(given.statusCode ?? 0, given.headers);
        given.pipe(answer);
      });
      sent.on('error', () => answer.destroy());
      sent.end(body);
    });
  });
  await new Promise<void>((listening) => server.listen(join(run, 'verifier.sock'), listening));
  return {
    asked: (credential) => asked.filter((one) => credential === undefined || one === credential).length,
    stop: async () => {
      server.close();
      server.closeAllConnections();
      await sidecar.stop();
    },
  };
}

/**
 * Waits until nginx has taken up what the sidecar makes at its start, the last change of generation that is under way.
 */
export async function untilTakenUp(gateway: Gateway): Promise<void> {
  for (let i = 0; i < 200; i++) {
    const answer = await gateway.send('/.well-known/jwks.json');
    if (answer.status === 200 && (JSON.parse(answer.body) as { keys: unknown[] }).keys.length > 0) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await new Promise((resolve) => setTimeout(resolve, 1000)); // the deny list and the like, looked at each 300 ms
}
