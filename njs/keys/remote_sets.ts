// The sets of JWKs that are fetched: that of JWKS_URL, and those of providers whose keys are at a URL or discovered.

import { isFetchedBySidecar, jwksFileOf, jwksUrlOf, type ProviderEntry } from '../../auth/provider_members.js';
import { readState } from './shared_state.js';
import type { JwksSource } from './stored_jwks.js';
import { readEntries, sourceOf } from './stored_providers.js';

/** A set of JWKs that is fetched. */
export interface RemoteSet {
  source: JwksSource;
  /** Names the set in the log. */
  label: string;
  /** The URL of the keys; undefined where they are discovered. */
  url: string | undefined;
  /** The issuer whose metadata name the URL. */
  issuer: string;
  /** The provider for which the sidecar fetches; undefined where nginx itself fetches. */
  askedFor: string | undefined;
  /** See placeOf. */
  place: string;
}

/** @returns all sets that are fetched */
export function remoteSets(variables: NginxVariables): RemoteSet[] {
  const url = variables.keygate_jwks_url;
  const sets: RemoteSet[] = [];
  if (url)
    sets.push({ source: 'remote', label: 'JWKS_URL', url, issuer: '', askedFor: undefined, place: placeOfUrl(url) });
  readEntries().forEach((entry) => {
    const { name, issuers } = entry;
    if (jwksFileOf(entry) !== undefined) return;
    sets.push({
      source: sourceOf(name),
      label: `provider ${name}`,
      url: jwksUrlOf(entry),
      issuer: issuers[0] as string,
      askedFor: isFetchedBySidecar(entry) ? name : undefined,
      place: placeOf(entry),
    });
  });
  return sets;
}

const fetched = 'fetched ';

/** Where the keys of JWKS_URL come from; empty where it is not set. */
export function placeOfUrl(url: string): string {
  return url === '' ? '' : fetched + url;
}

/** Where a provider's keys come from: while this is the same, so are the keys. */
export function placeOf(entry: ProviderEntry): string {
  const { jwks, issuers, ca, credential } = entry;
  const place = JSON.stringify([jwks, jwks === 'discover' ? issuers[0] : '', ca || '', credential || '']);
  return (jwksFileOf(entry) === undefined ? fetched : 'file ') + place;
}

/** Whether the keys of a source are fetched. */
export function isRemote(source: JwksSource): boolean {
  return (readState(`place:${source}`) || '').slice(0, fetched.length) === fetched;
}
