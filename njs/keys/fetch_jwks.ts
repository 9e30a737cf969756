// One fetch of JWKS_URL: https, no redirects, bounded in size; each failure says why in one log line.

import { jsonMediaType } from '../../auth/answer.js';
import { readFileText } from '../../auth/file_text.js';
import { reportFault } from './source_faults.js';
import { oneLine, parsingPlatform } from '../platform.js';
import { readState, switchGeneration, writeState } from './shared_state.js';
import { describeConsequence, storeJwksText } from './store_jwks.js';

const maxBytes = 262144;

/**
 * Fetches the remote set and makes it the one in use.
 * @returns whether a usable set came back; if not, the last good set stays in use
 */
export async function fetchSet(url: string): Promise<boolean> {
  const fetched = await fetchText(url);
  const nowMs = Date.now();
  if (readState('remote_url') !== url) return false; // a reload has changed JWKS_URL during this fetch
  const fault = 'fault' in fetched ? fetched.fault : storeJwksText('remote', fetched.text);
  noteFetch(fault === undefined, nowMs);
  if (fault !== undefined) {
    reportFault('remote', `JWKS_URL: ${fault}${describeConsequence('remote')}`, nowMs);
    return false;
  }
  switchGeneration();
  return true;
}

// For requests that wait: the number of fetches so far, and how the last of them ended.
function noteFetch(isGood: boolean, nowMs: number): void {
  writeState(isGood ? 'fetched_ms' : 'fetch_failed_ms', String(nowMs));
  const count = parseInt(readState('fetches') || '0', 10) + 1;
  writeState('fetches', `${count} ${isGood ? 'ok' : 'no'}`);
}

async function fetchText(url: string): Promise<{ text: string } | { fault: string }> {
  if (url.slice(0, 8) !== 'https://') return { fault: 'expected an https URL' };
  const startedMs = Date.now();
  try {
    const response = await ngx.fetch(encodeURI(decodeURI(url)), { headers: { Accept: jsonMediaType } });
    if (response.status !== 200) return { fault: `expected status 200, got ${response.status}` };
    const buffer = await response.arrayBuffer();
    if (buffer.byteLength > maxBytes) return { fault: 'more than 256 KB' };
    return readFileText(new Uint8Array(buffer), parsingPlatform());
  } catch (e) {
    const fault = oneLine(e);
    if (fault.indexOf('no resolver') >= 0) return { fault: noResolver };
    if (fault.indexOf('connect failed') < 0 || Date.now() - startedMs > patienceMs) return { fault };
    return { fault: (await canConnect(url)) ? handshakeFault : 'connection refused, or no way to the host' };
  }
}

const patienceMs = 400;
const noResolver = 'nginx can not look its host up: add a `resolver` line to http';
const handshakeFault =
  'TLS handshake failed: certificate expired, of another host, or not by a CA of JWKS_CA ' +
  '(js_fetch_trusted_certificate); the line before this one says which';

// njs does not tell a refused connection from a failed handshake, but a plain request to the same port does.
async function canConnect(url: string): Promise<boolean> {
  const authority = url.slice(8).split(/[/?#]/)[0] as string;
  const port = /:\d+$/.test(authority) ? '' : ':443';
  const answered = ngx.fetch(`http://${authority}${port}/`, { method: 'HEAD' }).then(
    () => true,
    (e) => oneLine(e).indexOf('connect failed') < 0,
  );
  const gaveUp = new Promise<boolean>((resolve) => {
    setTimeout(() => resolve(true), patienceMs);
  });
  const isOpen = await Promise.race([answered, gaveUp]);
  return isOpen;
}
