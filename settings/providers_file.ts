// The file of JWT_PROVIDERS as Node.js programs read it; nginx reads it by itself.

import { dirname, resolve } from 'node:path';
import { nameVariable } from '../auth/carried_claims.js';
import { parseList } from '../auth/location_settings.js';
import { readFileText } from '../auth/file_text.js';
import type { ProviderEntry } from '../auth/provider_members.js';
import { maxProvidersBytes, parseProviders, providerHeaders } from '../auth/providers.js';
import { nodePlatform } from '../node/crypto.js';
import { Fault } from '../node/fault.js';
import { describeFault, readRegularFile } from '../node/regular_file.js';
import type { Settings } from './read.js';

/** What a file holds, or all of its faults; `isTaken`: other keys verify the tokens of an issuer that it names. */
export type ProvidersFile = { providers: ProviderEntry[] } | { faults: string[]; isTaken: boolean };

type Named = Pick<Settings, 'jwtProviders' | 'jwtIssuer' | 'mintIssuer'>;

/** Reads the file; no providers where JWT_PROVIDERS is not set. */
export function readProvidersFile({ jwtProviders, jwtIssuer, mintIssuer }: Named): ProvidersFile {
  if (jwtProviders === undefined) return { providers: [] };
  const text = readText(jwtProviders);
  if (typeof text !== 'string') return { ...text, isTaken: false };
  const notJson = describeJson(text);
  if (notJson !== undefined) return { faults: [`the file: expected JSON: ${notJson}`], isTaken: false };
  const issuers = parseList(jwtIssuer ?? '');
  const parsed = parseProviders(text, { MINT_ISSUER: [mintIssuer], JWT_ISSUER: issuers === 'any' ? [] : issuers });
  if ('providers' in parsed) return parsed;
  return { ...parsed, isTaken: 'providers' in parseProviders(text) }; // but for the issuers, all would be in order
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

/** @returns the path of a file that a providers file names: beside it, where the name is relative */
export function besideProviders(name: string, { jwtProviders = '' }: Pick<Settings, 'jwtProviders'>): string {
  return resolve(dirname(jwtProviders), name);
}

/** What of a providers file stands in nginx's configuration. */
export interface ProviderLines {
  /** The variables of the claims that the upstream gets, without the dollar sign. */
  claims: string[];
  /** The headers in which clients send tokens, in lower case. */
  providerHeaders: string[];
}

/** @returns the lines that the file asks for; none while it can't be used */
export function readProviderLines(named: Named): ProviderLines {
  const read = readProvidersFile(named);
  return linesOf('providers' in read ? read.providers : []);
}

/** The lines that providers ask for. */
export function linesOf(providers: ProviderEntry[]): ProviderLines {
  const claims = [...new Set(providers.flatMap((provider) => provider.claims.map(nameVariable)))];
  return { claims, providerHeaders: providerHeaders(providers) };
}

// With the text around the place, which engines of nginx do not tell.
function describeJson(text: string): string | undefined {
  try {
    JSON.parse(text);
    return undefined;
  } catch (error) {
    return (error as Error).message.replace(/\s+/g, ' ');
  }
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
