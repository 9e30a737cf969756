// The file of JWT_PROVIDERS as Node.js programs read it; nginx reads it by itself.

import { parseList } from '../auth/location_settings.js';
import { readFileText } from '../auth/file_text.js';
import type { ProviderEntry } from '../auth/provider_members.js';
import { maxProvidersBytes, nameVariable, parseProviders } from '../auth/providers.js';
import { nodePlatform } from '../node/crypto.js';
import { Fault } from '../node/fault.js';
import { describeFault, readRegularFile } from '../node/regular_file.js';
import type { Settings } from './read.js';

/** What a file holds, or all of its faults. */
export type ProvidersFile = { providers: ProviderEntry[] } | { faults: string[] };

type Named = Pick<Settings, 'jwtProviders' | 'jwtIssuer' | 'mintIssuer'>;

/** Reads the file; no providers where JWT_PROVIDERS is not set. */
export function readProvidersFile({ jwtProviders, jwtIssuer, mintIssuer }: Named): ProvidersFile {
  if (jwtProviders === undefined) return { providers: [] };
  const text = readText(jwtProviders);
  if (typeof text !== 'string') return text;
  const issuers = parseList(jwtIssuer ?? '');
  return parseProviders(text, { MINT_ISSUER: [mintIssuer], JWT_ISSUER: issuers === 'any' ? [] : issuers });
}

/**
 * Reads a file that must be in order.
 * @throws Fault with every fault of the file
 */
export function readGoodProviders(named: Named): ProviderEntry[] {
  const read = readProvidersFile(named);
  if ('providers' in read) return read.providers;
  throw new Fault(read.faults.map((fault) => `JWT_PROVIDERS ${named.jwtProviders}: ${fault}`).join('\n'));
}

/**
 * Names the claims that nginx needs lines for. Without these lines a client could send the headers of the claims
 * itself, so nothing is written while the file has a fault.
 * @returns nginx variables, without the dollar sign
 * @throws Fault with every fault of the file
 */
export function readClaimVariables(named: Named): string[] {
  return listClaims(readGoodProviders(named));
}

/** The nginx variables of the claims that providers list. */
export function listClaims(providers: ProviderEntry[]): string[] {
  return [...new Set(providers.flatMap(({ claims }) => claims.map(nameVariable)))];
}

function readText(path: string): string | { faults: string[] } {
  try {
    const { bytes } = readRegularFile(path, maxProvidersBytes);
    const content = readFileText(bytes, nodePlatform);
    return 'fault' in content ? { faults: [content.fault] } : content.text;
  } catch (error) {
    return { faults: [describeFault(error)] };
  }
}
