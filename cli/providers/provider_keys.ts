// The keys of an identity provider as nginx would have them: from a file beside JWT_PROVIDERS, from a URL, or from
// where the issuer's metadata lead.

import { areMissing, metadataUrls, readMetadata } from '../../auth/discovery.js';
import { parseJsonObject, type UnverifiedObject } from '../../auth/json.js';
import { parseJwks, type Jwks } from '../../auth/jwk.js';
import { jwksFileOf, type ProviderEntry } from '../../auth/provider_members.js';
import { nodePlatform } from '../../node/crypto.js';
import type { Fetched } from '../../node/fetch_text.js';
import { describeFault, readRegularFile, textOf } from '../../node/regular_file.js';
import { besideProviders } from '../../settings/providers_file.js';
import type { Settings } from '../../settings/read.js';
import { fetchAs } from '../../verifier/fetch_route.js';

/** Where a provider's keys are, and what is there. */
export interface ProviderKeys {
  /** Files and URLs that were read, in their order. */
  from: string[];
  jwks: Jwks | undefined;
  /** Why there are no keys, in words fit for a terminal. */
  fault: string | undefined;
  /** What the issuer says of itself; undefined unless keys are discovered. */
  unverifiedMetadata: UnverifiedObject | undefined;
}

const maxBytes = 1048576;
const timeoutMs = 10000;

/** Whether the keys of a provider have to be fetched. */
export function isFetched(entry: ProviderEntry): boolean {
  return jwksFileOf(entry) === undefined;
}

/** Reads or fetches the keys of a provider. */
export async function loadKeys(entry: ProviderEntry, settings: Settings): Promise<ProviderKeys> {
  const { jwks, issuers } = entry;
  if (jwks === 'discover') return discover(entry, issuers[0] ?? '', settings);
  if ('url' in jwks) return keysIn([jwks.url], await fetchFor(entry, jwks.url, settings));
  const path = besideProviders(jwks.file, settings);
  return keysIn([path], readFile(path));
}

// As nginx does: the second form counts only where the first is not there.
async function discover(entry: ProviderEntry, issuer: string, settings: Settings): Promise<ProviderKeys> {
  const from: string[] = [];
  const faults: string[] = [];
  for (const url of metadataUrls(issuer)) {
    from.push(url);
    const fetched = await fetchFor(entry, url, settings);
    const metadata = 'fault' in fetched ? fetched : readMetadata(fetched.text, issuer);
    if ('fault' in metadata || 'fault' in fetched) {
      faults.push(`${url}: ${'fault' in metadata ? metadata.fault : ''}`);
      if ('fault' in fetched && areMissing(fetched.fault)) continue;
      break;
    }
    const { jwksUrl } = metadata;
    const parsed = parseJsonObject(fetched.text);
    const unverifiedMetadata = 'object' in parsed ? parsed.object : undefined;
    return { ...keysIn([url, jwksUrl], await fetchFor(entry, jwksUrl, settings)), unverifiedMetadata };
  }
  return { from, jwks: undefined, fault: clean(faults.join('; ')), unverifiedMetadata: undefined };
}

function keysIn(from: string[], content: Fetched): ProviderKeys {
  const jwks = 'fault' in content ? content : parseJwks(content.text, nodePlatform);
  if ('fault' in jwks) return { from, jwks: undefined, fault: clean(jwks.fault), unverifiedMetadata: undefined };
  const fault = jwks.keys.length === 0 ? 'no key that can be used' : undefined;
  return { from, jwks, fault, unverifiedMetadata: undefined };
}

function fetchFor(entry: ProviderEntry, url: string, settings: Settings): Promise<Fetched> {
  return fetchAs(entry, { url, timeoutMs }, settings);
}

function readFile(path: string): Fetched {
  try {
    return { text: textOf(readRegularFile(path, maxBytes).bytes) };
  } catch (error) {
    return { fault: describeFault(error) };
  }
}

/** A text of others on one line of a terminal. */
export function clean(text: string): string {
  return text.replace(/[^\x20-\x7e]+/g, '?').slice(0, 500);
}
