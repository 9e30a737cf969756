// POST /fetch: metadata and keys of providers whose servers nginx can't ask (isFetchedBySidecar). nginx says when, and
// judges what comes back.

import { dirname, resolve } from 'node:path';
import { metadataUrls } from '../auth/discovery.js';
import { isJsonObject, isText } from '../auth/json.js';
import { isFetchedBySidecar, isHttpsUrl, type ProviderEntry } from '../auth/provider_members.js';
import { fetchText, type Fetched } from '../node/fetch_text.js';
import { readProvidersFile } from '../settings/providers_file.js';
import type { Settings } from '../settings/read.js';

/** What nginx asks for. */
export interface FetchQuestion {
  /** The name of the provider. */
  provider: string;
  url: string;
}

/** @returns the question, or undefined where a request's body is none */
export function parseFetchQuestion(body: unknown): FetchQuestion | undefined {
  if (!isJsonObject(body) || !isText(body['provider'], 64) || !isText(body['url'], 2048)) return undefined;
  return body as object as FetchQuestion;
}

const timeoutMs = 4000; // nginx waits 5 s, or 0.8 s for a token whose kid is unknown

export type FetchSettings = Pick<Settings, 'jwtProviders' | 'jwtIssuer' | 'mintIssuer' | 'jwksCa'>;

/** Fetches from a provider's server, as its entry in JWT_PROVIDERS' file says. */
export async function fetchForProvider(settings: FetchSettings, { provider, url }: FetchQuestion): Promise<Fetched> {
  const file = readProvidersFile(settings);
  const entry = 'providers' in file ? file.providers.find(({ name }) => name === provider) : undefined;
  if (entry === undefined || !isFetchedBySidecar(entry))
    return { fault: 'JWT_PROVIDERS of the sidecar has no such entry' };
  if (!mayAsk(entry, url)) return { fault: 'the entry does not lead to this URL' };
  const pathOf = (path: string) => resolve(dirname(settings.jwtProviders ?? ''), path);
  const { ca, credential } = entry;
  const caFile = ca === undefined ? settings.jwksCa : pathOf(ca);
  const credentialFile = credential !== undefined && mayKnow(entry, url) ? pathOf(credential) : undefined;
  return fetchText({ url, caFile, credentialFile, timeoutMs });
}

// What is discovered may be anywhere.
function mayAsk({ jwks, issuers }: ProviderEntry, url: string): boolean {
  if (jwks === 'discover') return metadataUrls(issuers[0] ?? '').includes(url) || isHttpsUrl(url);
  return 'url' in jwks && jwks.url === url;
}

// The credential goes to the server that the operator named, and to another that its metadata name only where the
// operator's own certificate authorities vouch for both: a Kubernetes API server names itself by its address.
function mayKnow({ jwks, issuers, ca }: ProviderEntry, url: string): boolean {
  return jwks !== 'discover' || ca !== undefined || new URL(url).origin === new URL(issuers[0] ?? '').origin;
}
