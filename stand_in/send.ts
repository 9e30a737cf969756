// The two forms of an answer: JSON, and server-sent events (WHATWG HTML section 9.2).

import type { ServerResponse } from 'node:http';

/** Answers with JSON. */
export function sendJson(response: ServerResponse, value: object): void {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(value));
}

/** Sends server-sent events one by one, until the client goes away. */
export async function sendEvents(response: ServerResponse, events: string[], chunkMs: number): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  for (const event of events) {
    if (response.destroyed) return;
    response.write(event);
    await new Promise((resolve) => setTimeout(resolve, chunkMs));
  }
  response.end();
}
