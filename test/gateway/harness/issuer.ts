// An issuer of tokens on loopback: its JWKS over https under a name of its own, and everything that can go wrong
// with it.

import { createSocket, type Socket } from 'node:dgram';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import { isIP } from 'node:net';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { freePort } from './free_port.js';
import { jwksOf, makeSigner, type Signer } from './tokens.js';

/** How an issuer answers. */
export type Conduct =
  | 'well'
  | 'silent'
  | 'redirect'
  | 'huge'
  | 'truncated'
  | 'html'
  | 'error'
  | 'no usable key'
  | 'expired certificate'
  | 'other host';

export interface Issuer {
  url: string;
  signers: Signer[];
  conduct: (conduct: Conduct) => void;
  /** Stops listening, and starts again on the same port. */
  down: () => Promise<void>;
  up: () => Promise<void>;
  /** When each fetch arrived, in Unix milliseconds. */
  fetched: number[];
  close: () => Promise<void>;
}

export interface Authority {
  /** Path of the CA's certificate, for JWKS_CA. */
  caFile: string;
  issue: (host: string, isExpired?: boolean) => Promise<{ key: string; cert: string }>;
}

/** Makes a certificate authority. */
export async function makeAuthority(): Promise<Authority> {
  const notBeforeDate = new Date(Date.now() - 2 * 86400000); // tests set nginx's clock back
  const ec = { keyType: 'ec' as const, curve: 'P-256' as const, algorithm: 'sha256' as const, notBeforeDate };
  const ca = await generate([{ name: 'commonName', value: 'Keygate test CA' }], {
    ...ec,
    extensions: [{ name: 'basicConstraints', cA: true, critical: true }],
  });
  const caFile = join(mkdtempSync(join(tmpdir(), 'keygate-ca-')), 'ca.crt');
  writeFileSync(caFile, ca.cert);
  return {
    caFile,
    issue: async (host, isExpired = false) => {
      const day = 86400000;
      const made = await generate([{ name: 'commonName', value: host }], {
        ...ec,
        ca: { key: ca.private, cert: ca.cert },
        notBeforeDate: new Date(Date.now() - 10 * day),
        notAfterDate: new Date(Date.now() + (isExpired ? -1 : 1) * day),
        extensions: [
          { name: 'subjectAltName', altNames: [isIP(host) === 0 ? { type: 2, value: host } : { type: 7, ip: host }] },
        ],
      });
      return { key: made.private, cert: made.cert };
    },
  };
}

/** Starts an issuer that answers well. */
export async function startIssuer(authority: Authority, host: string, signers: Signer[]): Promise<Issuer> {
  const good = await authority.issue(host);
  const expired = await authority.issue(host, true);
  const other = await authority.issue('other.test');
  let conduct: Conduct = 'well';
  const fetched: number[] = [];
  const server = createServer(good, (_, response) => {
    fetched.push(Date.now());
    answer(response, conduct, issuer.signers);
  });
  const port = await freePort(); // nobody else gets it while the issuer is down
  await listen(server, port);
  const issuer: Issuer = {
    url: `https://${host}:${port}/keys/jwks.json`,
    signers,
    fetched,
    conduct: (next) => {
      conduct = next;
      server.closeAllConnections();
      server.setSecureContext(next === 'expired certificate' ? expired : next === 'other host' ? other : good);
    },
    down: () => close(server),
    up: () => listen(server, port),
    close: () => close(server),
  };
  return issuer;
}

function answer(response: ServerResponse, conduct: Conduct, signers: Signer[]): void {
  const json = { 'content-type': 'application/json' };
  if (conduct === 'silent') {
    setTimeout(() => response.end(), 30000).unref();
  } else if (conduct === 'redirect') {
    response.writeHead(302, { location: 'http://127.0.0.1/jwks.json' }).end();
  } else if (conduct === 'huge') {
    response.writeHead(200, json).end(jwksOf(...signers) + ' '.repeat(10 * 1024 * 1024));
  } else if (conduct === 'truncated') {
    response.writeHead(200, { ...json, 'content-length': 10000 });
    response.write(jwksOf(...signers));
    setTimeout(() => response.destroy(), 20);
  } else if (conduct === 'html') {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<html>Sign in</html>');
  } else if (conduct === 'error') {
    response.writeHead(500, json).end(jwksOf(...signers));
  } else if (conduct === 'no usable key') {
    response.writeHead(200, json).end('{"keys":[{"kty":"oct","k":"AAAA","kid":"secret"}]}');
  } else {
    response.writeHead(200, json).end(jwksOf(...signers));
  }
}

/** What tests of fetched keys share: who vouches for servers and finds them, a key that is known, one that is not. */
export interface FetchedKeys {
  authority: Authority;
  names: NameServer;
  known: Signer;
  fresh: Signer;
  /** What `close` ends first. */
  opened: (() => Promise<void>)[];
  close: () => Promise<void>;
}

/** Makes them; nothing is opened yet. */
export async function makeFetchedKeys(): Promise<FetchedKeys> {
  const names = await startNameServer();
  const opened: FetchedKeys['opened'] = [];
  return {
    authority: await makeAuthority(),
    names,
    known: await makeSigner('ES256', 'known'),
    fresh: await makeSigner('RS256', 'fresh'),
    opened,
    close: async () => {
      await Promise.all(opened.map((close) => close()));
      names.close();
    },
  };
}

export interface NameServer {
  /** `address:port` for nginx's `resolver`. */
  address: string;
  /** Names that do not exist from now on. */
  gone: Set<string>;
  close: () => void;
}

/** A name server for which every name is 127.0.0.1 (RFC 1035 section 4.1). */
export async function startNameServer(): Promise<NameServer> {
  const gone = new Set<string>();
  const socket: Socket = createSocket('udp4');
  socket.on('message', (query, from) => socket.send(resolve(query, gone), from.port, from.address));
  await new Promise<void>((bound) => socket.bind(0, '127.0.0.1', bound));
  return { address: `127.0.0.1:${socket.address().port}`, gone, close: () => socket.close() };
}

function resolve(query: Buffer, gone: Set<string>): Buffer {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += length + 1;
  }
  const question = query.subarray(12, at + 5);
  const isGone = gone.has(labels.join('.'));
  const header = Buffer.from([0, 0, 0x81, isGone ? 0x83 : 0x80, 0, 1, 0, isGone ? 0 : 1, 0, 0, 0, 0]);
  query.copy(header, 0, 0, 2);
  const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1]); // TTL 0
  return Buffer.concat(isGone ? [header, question] : [header, question, record]);
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
