// One fetch of a set of JWKs: https, no redirects, bounded in size; each failure says why in one log line.

import { jsonMediaType } from '../../auth/answer.js';
import { areMissing, metadataUrls, readMetadata } from '../../auth/discovery.js';
import { readFileText } from '../../auth/file_text.js';
import { isJsonObject } from '../../auth/json.js';
import { reportFault } from './source_faults.js';
import { oneLine, parsingPlatform } from '../platform.js';
import { tellSidecar } from '../sidecar.js';
import { noteFetch, wantFetch } from './fetch_state.js';
import { switchGeneration } from './generation.js';
import type { RemoteSet } from './remote_sets.js';
import { ageMs, clearState, readState, writeState } from './shared_state.js';
import { describeConsequence, storeJwksText } from './store_jwks.js';

const maxBytes = 262144;

/** How a set is fetched. */
export interface Fetching {
  variables: NginxVariables;
  /** No further request begins after this time, or the tick would not end before the next one. */
  untilMs: number;
  /** Whether metadata that are older than JWKS_TTL are asked for again, and not only where there are none. */
  discoversAnew: boolean;
}

type Fetched = { text: string } | { fault: string };

/** Fetches a set and makes it the one in use. Where no usable set comes back, the last good one stays in use. */
export async function fetchSet(set: RemoteSet, fetching: Fetching): Promise<void> {
  const { source, label, place } = set;
  const url = await findUrl(set, fetching);
  if (url === 'later') {
    clearState(`fetch_started_ms:${source}`);
    wantFetch(source);
    return;
  }
  const fetched = typeof url === 'string' ? await fetchText(url, set, fetching) : url;
  const nowMs = Date.now();
  if (readState(`place:${source}`) !== place) return; // the keys come from elsewhere since this fetch began
  const fault = 'fault' in fetched ? fetched.fault : storeText(set, fetched.text);
  noteFetch(source, fault === undefined, nowMs);
  if (fault === undefined) return switchGeneration();
  clearState(`discovered_ms:${source}`); // the issuer may have moved its keys
  reportFault(source, `${label}: ${fault}${describeConsequence(source)}`, nowMs);
}

// A set that is too large for shared memory must not end the tick.
function storeText({ source }: RemoteSet, text: string): string | undefined {
  try {
    return storeJwksText(source, text);
  } catch (e) {
    return `not taken up: ${oneLine(e) || 'no memory'}`;
  }
}

/** @returns the URL of the keys, why there is none, or `later` where there is no time left to fetch from it */
async function findUrl(set: RemoteSet, fetching: Fetching): Promise<string | { fault: string }> {
  const { source, url, issuer } = set;
  if (url !== undefined) return url;
  const known = readState(`discovered:${source}`);
  const ttlMs = Number(fetching.variables.keygate_jwks_ttl) * 1000;
  const isYoung = ageMs(`discovered_ms:${source}`, Date.now()) < ttlMs;
  if (known !== undefined && (isYoung || !fetching.discoversAnew)) return known;
  const metadata = await fetchMetadata(set, fetching);
  if (metadata === 'later') return metadata;
  const read = 'fault' in metadata ? metadata : readMetadata(metadata.text, issuer);
  if ('fault' in read) return read;
  writeState(`discovered:${source}`, read.jwksUrl);
  writeState(`discovered_ms:${source}`, String(Date.now()));
  return Date.now() < fetching.untilMs ? read.jwksUrl : 'later';
}

// OpenID Connect's metadata, and OAuth's where those are not there.
async function fetchMetadata(set: RemoteSet, fetching: Fetching): Promise<Fetched | 'later'> {
  const urls = metadataUrls(set.issuer);
  const first = await fetchText(urls[0] as string, set, fetching);
  if (!('fault' in first) || !areMissing(first.fault)) return first;
  if (Date.now() >= fetching.untilMs) return 'later';
  const second = await fetchText(urls[1] as string, set, fetching);
  return second;
}

async function fetchText(url: string, { askedFor }: RemoteSet, { variables }: Fetching): Promise<Fetched> {
  const fetched = await (askedFor === undefined
    ? fetchHere(url)
    : fetchBySidecar(url, askedFor, variables.keygate_sidecar || ''));
  return fetched;
}

async function fetchHere(url: string): Promise<Fetched> {
  if (url.slice(0, 8) !== 'https://') return { fault: 'expected an https URL' };
  const startedMs = Date.now();
  try {
    const response = await ngx.fetch(escapeUrl(url), { headers: { Accept: jsonMediaType } });
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

// ngx.fetch sends a URL as it is. What is escaped already stays so: %40 is not %2540.
function escapeUrl(url: string): string {
  return encodeURI(url).replace(/%25(?=[0-9A-Fa-f]{2})/g, '%');
}

// `provider` names the certificate authorities and the credential that the sidecar takes.
async function fetchBySidecar(url: string, provider: string, address: string): Promise<Fetched> {
  if (address.slice(0, 5) !== 'unix:')
    return { fault: 'ca, credential and IP addresses need the sidecar, on a Unix socket' };
  try {
    const answer = await tellSidecar(address, 'fetch', { provider, url });
    if (isJsonObject(answer) && typeof answer['text'] === 'string') return { text: answer['text'] };
    const fault = isJsonObject(answer) ? answer['fault'] : undefined;
    return { fault: typeof fault === 'string' ? oneLine(fault) : 'the sidecar gave no answer' };
  } catch (e) {
    return { fault: `the sidecar could not be asked: ${oneLine(e)}` };
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
