// A text from a server of https that may be private: with certificate authorities and a credential of its own. No
// redirect is followed, and an answer is bounded in size and time.

import { request, type RequestOptions } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { networkInterfaces } from 'node:os';
import { jsonMediaType } from '../auth/answer.js';
import { readFileText } from '../auth/file_text.js';
import { nodePlatform } from './crypto.js';
import { describeFault, readRegularFile } from './regular_file.js';

export interface Fetch {
  url: string;
  /** Those of the system where there is none. */
  caFile: string | undefined;
  /** A file with a token (RFC 6750), which is read anew each time. */
  credentialFile: string | undefined;
  timeoutMs: number;
}

/** A text, or why there is none, in words fit for a log. */
export type Fetched = { text: string } | { fault: string };

const maxBytes = 131072;
const maxTokenBytes = 16384;
const maxCaBytes = 1048576;

/** Fetches a text of UTF-8. A certificate counts for a name or for an IP address that it holds. */
export async function fetchText({ url, caFile, credentialFile, timeoutMs }: Fetch): Promise<Fetched> {
  const options: RequestOptions = { agent: false, rejectUnauthorized: true, headers: { accept: jsonMediaType } };
  try {
    if (caFile !== undefined) options.ca = readRegularFile(caFile, maxCaBytes).bytes;
  } catch (error) {
    return { fault: `ca: ${describeFault(error)}` };
  }
  const token = credentialFile === undefined ? undefined : readToken(credentialFile);
  if (typeof token === 'object') return token;
  if (token !== undefined) options.headers = { accept: jsonMediaType, authorization: `Bearer ${token}` };
  try {
    return await get(url, { ...options, signal: AbortSignal.timeout(timeoutMs) });
  } catch (error) {
    const { name, code, message } = error as NodeJS.ErrnoException;
    if (name === 'AbortError') return { fault: 'no answer in time' };
    const place = unreached.includes(code ?? '') && !hasNetwork() ? 'there is no network here: ' : '';
    return { fault: `${place}${code ?? ''} ${message}`.trim() };
  }
}

const unreached = ['ENETUNREACH', 'EHOSTUNREACH', 'EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EAI_AGAIN', 'ENOTFOUND'];

// A container or a unit of systemd may have loopback alone, and not even be allowed to look.
function hasNetwork(): boolean {
  try {
    return Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ internal }) => !internal));
  } catch {
    return false;
  }
}

function readToken(path: string): string | { fault: string } {
  try {
    const token = readRegularFile(path, maxTokenBytes).bytes.toString().trim();
    return /^[\x21-\x7e]+$/.test(token) ? token : { fault: 'credential: expected a token' };
  } catch (error) {
    return { fault: `credential: ${describeFault(error)}` };
  }
}

function get(url: string, options: RequestOptions): Promise<Fetched> {
  return new Promise((resolve, reject) => {
    const sent = request(url, options, (response) => {
      response.once('error', reject);
      void readAnswer(response).then((fetched) => {
        response.destroy();
        resolve(fetched);
      }, reject);
    });
    // 101 is no response event; without a listener, Node.js closes the connection and tells nobody.
    sent.once('upgrade', (response, socket) => {
      socket.destroy();
      resolve(wrongStatus(response));
    });
    sent.once('error', reject);
    sent.end();
  });
}

function wrongStatus({ statusCode }: IncomingMessage): { fault: string } {
  return { fault: `expected status 200, got ${statusCode}` };
}

async function readAnswer(response: IncomingMessage): Promise<Fetched> {
  if (response.statusCode !== 200) return wrongStatus(response);
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of response) {
    parts.push(part as Buffer);
    bytes += (part as Buffer).length;
    if (bytes > maxBytes) return { fault: `more than ${maxBytes / 1024} KB` };
  }
  const content = readFileText(Buffer.concat(parts), nodePlatform);
  return 'fault' in content ? content : { text: content.text };
}
