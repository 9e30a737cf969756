// Something in the sidecar's place that answers as a test says.

import { rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import type { Gateway } from './gateway.js';

export interface Question {
  credential: string;
  generation: string;
}

/** Takes the sidecar's socket; `answer` gets route and question, and gives the JSON to answer with. */
export async function startImpostor(
  gateway: Gateway,
  answer: (route: string, question: Question) => object | Promise<object>,
): Promise<{ stop: () => void }> {
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (part: Buffer) => (text += part.toString()));
    request.on('end', () => {
      const given = Promise.resolve(answer(request.url ?? '', JSON.parse(text) as Question));
      void given.then((json) => {
        response.writeHead(200, { 'content-type': 'application/vnd.keygate+json' });
        response.end(JSON.stringify(json));
      });
    });
  });
  const socket = join(gateway.stateDir, 'run', 'verifier.sock');
  rmSync(socket, { force: true });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  return {
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** An entry as the sidecar's answer names it. */
export const entryOf = (subject: string): object => ({
  subject,
  scopes: [],
  expiresSeconds: null,
  keyId: 'f',
  limit: null,
});
