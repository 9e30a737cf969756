// The stand-in upstream: answers like copilot-api as far as clients can tell, so that the gateway can be tried
// and tested without it. What it says is made up; GET /token gives a secret away, as the real one does.

import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { sendAnthropicMessage, sendAnthropicStream } from './anthropic_answers.js';
import { sendChatCompletion, sendChatStream } from './openai_answers.js';
import { sendJson } from './send.js';
import { acceptWebSocket } from './websocket_echo.js';

/** What GET /token gives away; tests prove that it never gets out through the gateway. */
export const fakeSecret = 'stand-in-copilot-token-that-must-never-get-out';

export interface UpstreamOptions {
  /** Milliseconds between the chunks of a stream. */
  chunkMs: number;
  /** Where this is given, the server speaks https. */
  tls?: { key: string; cert: string };
}

export interface SeenRequest {
  method: string;
  target: string;
  headers: [name: string, value: string][];
}

export interface StandIn {
  server: Server;
  /** The last requests, for GET /debug/seen. */
  seen: SeenRequest[];
  /** Streams whose client went away before the end. */
  aborted: number;
}

const maxSeen = 100;
const maxBodyBytes = 110 * 1024 * 1024;

/** Makes the server; the caller lets it listen. */
export function makeStandIn(options: UpstreamOptions): StandIn {
  const state: StandIn = { server: undefined as never, seen: [], aborted: 0 };
  const handle = (request: IncomingMessage, response: ServerResponse) => {
    void answer(request, response, { state, options }).catch(() => response.destroy());
  };
  state.server = options.tls === undefined ? createHttpServer(handle) : createHttpsServer(options.tls, handle);
  state.server.on('upgrade', acceptWebSocket);
  return state;
}

interface Context {
  state: StandIn;
  options: UpstreamOptions;
}

async function answer(request: IncomingMessage, response: ServerResponse, { state, options }: Context): Promise<void> {
  remember(state, request);
  const url = new URL(request.url ?? '/', 'http://stand-in');
  const path = url.pathname.replace(/^\/v1(?=\/)/, '');
  const body = await readBody(request);
  response.on('close', () => {
    if (!response.writableFinished) state.aborted++;
  });
  if (path === '/token') return sendJson(response, { token: fakeSecret });
  if (path === '/usage') return sendJson(response, { quota_snapshots: {} });
  if (path === '/models') return sendJson(response, models);
  if (path === '/embeddings') return sendJson(response, embeddings);
  if (path === '/chat/completions') {
    const asked = parseBody(body);
    return asked['stream'] === true ? sendChatStream(response, options.chunkMs) : sendChatCompletion(response);
  }
  if (path === '/messages/count_tokens') return sendJson(response, { input_tokens: 7 });
  if (path === '/messages') {
    const asked = parseBody(body);
    return asked['stream'] === true ? sendAnthropicStream(response, options.chunkMs) : sendAnthropicMessage(response);
  }
  if (path === '/debug/seen') return sendJson(response, { seen: state.seen, aborted: state.aborted });
  if (path === '/debug/size') return sendJson(response, { bytes: body.length });
  response.statusCode = 404;
  sendJson(response, { error: { type: 'not_found_error', message: 'The stand-in has nothing here.' } });
}

const models = {
  object: 'list',
  data: ['gpt-4.1', 'claude-sonnet-4'].map((id) => ({
    id,
    object: 'model',
    type: 'model',
    display_name: id,
    created: 0,
    created_at: '2026-01-01T00:00:00Z',
    owned_by: 'stand-in',
  })),
  has_more: false,
};

const embeddings = {
  object: 'list',
  model: 'text-embedding-3-small',
  data: [{ object: 'embedding', index: 0, embedding: [0.25, -0.5, 0.125] }],
  usage: { prompt_tokens: 2, total_tokens: 2 },
};

function remember(state: StandIn, request: IncomingMessage): void {
  const { rawHeaders, method = '', url = '' } = request;
  const headers: [string, string][] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2)
    headers.push([rawHeaders[i] as string, rawHeaders[i + 1] as string]);
  state.seen.push({ method, target: url, headers });
  if (state.seen.length > maxSeen) state.seen.shift();
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > maxBodyBytes) throw new Error('body too large');
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function parseBody(body: Buffer): { [name: string]: unknown } {
  try {
    return JSON.parse(body.toString()) as { [name: string]: unknown };
  } catch {
    return {};
  }
}
