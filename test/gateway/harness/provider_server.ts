// The server of an identity provider: https by a name or an IP address in its certificate, on loopback or where
// containers reach it.

import { createServer } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { freePort } from './free_port.js';
import type { Authority } from './issuer.js';
import { jwksOf, type Signer } from './tokens.js';

export interface ProviderServer {
  origin: string;
  /** What is answered, by path; a text is an answer with 200. Other paths are 404. */
  answers: { [path: string]: string | ((request: IncomingMessage, response: ServerResponse) => unknown) };
  /** Answers as an issuer does whose metadata and keys are in order. */
  serve: (...signers: Signer[]) => void;
  /** The paths that were asked for. */
  asked: string[];
  close: () => Promise<void>;
}

/** Starts a server that answers 404. */
export async function startProviderServer(
  authority: Authority,
  host: string,
  listenAddress = '127.0.0.1',
): Promise<ProviderServer> {
  const asked: string[] = [];
  const answers: ProviderServer['answers'] = {};
  const server = createServer(await authority.issue(host), (request, response) => {
    asked.push(request.url ?? '');
    const answer = answers[request.url ?? ''];
    if (typeof answer === 'function') return void answer(request, response);
    response.writeHead(answer === undefined ? 404 : 200, { 'content-type': 'application/json' }).end(answer);
  });
  const port = await freePort();
  await new Promise<void>((listening) => server.listen(port, listenAddress, listening));
  const origin = `https://${host}:${port}`;
  return {
    origin,
    answers,
    asked,
    serve: (...signers) => {
      const metadata = { issuer: origin, jwks_uri: `${origin}/keys` };
      answers['/.well-known/openid-configuration'] = JSON.stringify(metadata);
      answers['/keys'] = jwksOf(...signers);
    },
    close: () =>
      new Promise((closed) => {
        server.close(() => closed());
        server.closeAllConnections();
      }),
  };
}
