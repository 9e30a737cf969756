// What the containers need for JWT_PROVIDERS: a file without faults, the files that it names, and a network for the
// sidecar where it fetches keys.

import { isFetchedBySidecar, jwksFileOf, type ProviderEntry } from '../auth/provider_members.js';
import { besideProviders, readProvidersFile } from '../settings/providers_file.js';
import type { Settings } from '../settings/read.js';
import { findUnreadable, readers, type Reader } from './readable.js';

/**
 * Finds what is missing. In Compose alone the sidecar may have no network: docker-compose.yml then sets
 * VERIFIER_NETWORK to nothing.
 * @returns a line for each fault of the providers file, or else for each file that can't be read and each setting
 */
export function findProviderFaults(settings: Settings, env: NodeJS.ProcessEnv): string[] {
  const { jwtProviders, jwksCa } = settings;
  if (jwtProviders === undefined) return [];
  const unreadable = findUnreadable(jwtProviders, readers());
  if (unreadable !== undefined) return [`JWT_PROVIDERS: ${unreadable}`];
  const read = readProvidersFile(settings);
  if ('faults' in read) return read.faults.map((fault) => `JWT_PROVIDERS: ${fault}`);
  const fetched = read.providers.filter(isFetchedBySidecar);
  const faults = read.providers.flatMap((entry) => findUnreadableOf(entry, settings));
  const ofSidecar = fetched.some(({ ca }) => ca === undefined) ? jwksCa : undefined;
  const closed = ofSidecar === undefined ? undefined : findUnreadable(ofSidecar, [sidecar()]);
  if (closed !== undefined) faults.push(`JWKS_CA: ${closed}`);
  if (fetched.length > 0 && env['VERIFIER_NETWORK'] === '') {
    const names = fetched.map(({ name }) => name).join(', ');
    faults.push(`VERIFIER_NETWORK: expected on, as the sidecar fetches the keys of ${names}`);
  }
  return faults;
}

function findUnreadableOf(entry: ProviderEntry, settings: Settings): string[] {
  const { name, ca, credential } = entry;
  const files = [
    { what: 'jwks', path: jwksFileOf(entry), by: readers() }, // the sidecar's container has the command `keygate` too
    { what: 'ca', path: ca, by: [sidecar()] },
    { what: 'credential', path: credential, by: [sidecar()] },
  ];
  return files.flatMap(({ what, path, by }) => {
    const fault = path === undefined ? undefined : findUnreadable(besideProviders(path, settings), by);
    return fault === undefined ? [] : [`JWT_PROVIDERS: ${what} of ${name}: ${fault}`];
  });
}

const sidecar = (): Reader => readers()[1] as Reader;
