// POST /fetch: metadata and keys of providers whose servers nginx can't ask (isFetchedBySidecar). nginx says when, and
// judges what comes back.

import { mayShowCredential } from '../auth/discovery.js';
import { isFetchedBySidecar, isHttpsUrl, jwksUrlOf, type ProviderEntry } from '../auth/provider_members.js';
import { fetchText, type Fetched } from '../node/fetch_text.js';
import { besideProviders, readProvidersFile } from '../settings/providers_file.js';
import type { Settings } from '../settings/read.js';

/** What nginx asks for. */
export interface FetchQuestion {
  /** The name of the provider. */
  provider: string;
  url: string;
}

export const fetchSchema = {
  type: 'object',
  required: ['provider', 'url'],
  properties: { provider: { type: 'string', maxLength: 64 }, url: { type: 'string', maxLength: 2048 } },
};

const timeoutMs = 4000; // nginx waits 5 s, or 0.8 s for a token whose kid is unknown

export type FetchSettings = Pick<Settings, 'jwtProviders' | 'jwtIssuer' | 'mintIssuer' | 'jwksCa'>;

/** Fetches from a provider's server, as its entry in JWT_PROVIDERS' file says. */
export async function fetchForProvider(settings: FetchSettings, { provider, url }: FetchQuestion): Promise<Fetched> {
  const file = readProvidersFile(settings);
  const entry = 'providers' in file ? file.providers.find(({ name }) => name === provider) : undefined;
  if (entry === undefined || !isFetchedBySidecar(entry))
    return { fault: 'JWT_PROVIDERS of the sidecar has no such entry' };
  if (!mayAsk(entry, url)) return { fault: 'the entry does not lead to this URL' };
  return fetchAs(entry, { url, timeoutMs }, settings);
}

/** Fetches with the certificate authorities and the credential of an entry. */
export function fetchAs(
  entry: ProviderEntry,
  { url, timeoutMs: most }: { url: string; timeoutMs: number },
  settings: Pick<Settings, 'jwtProviders' | 'jwksCa'>,
): Promise<Fetched> {
  const pathOf = (path: string) => besideProviders(path, settings);
  const { ca, credential } = entry;
  const caFile = ca === undefined ? settings.jwksCa : pathOf(ca);
  const credentialFile = credential !== undefined && mayShowCredential(entry, url) ? pathOf(credential) : undefined;
  return fetchText({ url, caFile, credentialFile, timeoutMs: most });
}

// What is discovered may be anywhere.
function mayAsk(entry: ProviderEntry, url: string): boolean {
  return entry.jwks === 'discover' ? isHttpsUrl(url) : jwksUrlOf(entry) === url;
}
