// `keygate status`: asks the running gateway for /status.json and prints it; docs/monitoring.md has the fields.

import { once } from 'node:events';
import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import type { Command } from 'commander';
import { parseStatus, type Status } from '../../monitoring/status.js';
import { Fault } from '../../node/fault.js';
import { readSettings } from '../../settings/read.js';
import { print } from '../output.js';
import { printableText, statusLines } from './status_lines.js';

const timeoutMs = 3000;
const maxBytes = 1048576; // a status has 20 KB
const inDocker = 'in Docker: docker compose exec nginx curl -s http://127.0.0.1:9145/status.json';

/** Adds the command to the program. */
export function addStatusCommand(program: Command): void {
  program
    .command('status')
    .description('what is up, what is wrong, and who uses which key; exit code 1 unless all is ok')
    .option('--url <url>', 'ask this address instead of METRICS_PORT on 127.0.0.1')
    .action(show);
}

async function show({ url }: { url?: string }, command: Command): Promise<void> {
  const asked = url === undefined ? localUrl(readSettings(process.env).metricsPort) : statusUrl(url);
  const status = await fetchStatus(asked);
  const isColoured = process.stdout.isTTY === true && !process.env['NO_COLOR'];
  print(command, status, statusLines(status, isColoured));
  if (status.status !== 'ok') throw new Fault('');
}

/**
 * Where the gateway of this machine tells its status.
 * @param port METRICS_PORT
 */
export function localUrl(port: number | 'off'): URL {
  if (port === 'off')
    throw new Fault(
      'METRICS_PORT is off, so the gateway tells nobody its status',
      'set METRICS_PORT to a port and start the gateway again; --url asks another gateway',
    );
  return new URL(`http://127.0.0.1:${port}/status.json`);
}

// The address of /status.json, of /status or of their folder.
function statusUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol))
    throw new Fault('--url: expected an address starting with http:// or https://');
  url.search = '';
  url.hash = '';
  url.pathname = url.pathname.replace(/\/*(?:status(?:\.json)?)?$/, '/status.json');
  return url;
}

async function fetchStatus(url: URL): Promise<Status> {
  const text = await fetchText(url);
  const parsed = parseStatus(text);
  if ('status' in parsed) return parsed.status;
  throw new Fault(
    `what answers at ${url.href} does not tell the status of a Keygate: ${printableText(parsed.fault)}`,
    'another program, or another version of Keygate, listens there',
  );
}

// Not by `fetch`, which refuses to ask some ports.
async function fetchText(url: URL): Promise<string> {
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const request = (url.protocol === 'https:' ? https : http).get(url, { signal, agent: false });
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    if (response.statusCode === 200) return await readBounded(response, url);
    response.destroy();
    throw new Fault(
      `${url.href} answers with status ${response.statusCode}`,
      'another program listens there, or the gateway does not know this host name',
    );
  } catch (error) {
    if (error instanceof Fault) throw error;
    const silence = signal.aborted ? `${url.href} did not answer within ${timeoutMs / 1000} s` : explain(url, error);
    throw new Fault(silence, `is the gateway running? ${inDocker}`);
  }
}

async function readBounded(response: IncomingMessage, url: URL): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > maxBytes)
      throw new Fault(
        `${url.href} answers with more than ${maxBytes} bytes, which is no status of a Keygate`,
        'another program listens there',
      );
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

function explain(url: URL, error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ECONNREFUSED') return `nothing answers at ${url.href}`;
  return `${url.href} can't be asked: ${printableText(message || String(code))}`;
}
