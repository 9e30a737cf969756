// The lines that identity providers (JWT_PROVIDERS) ask for, claims and headers: those that an installed folder has,
// and those of the file that its settings.conf names.

import { claimHeader } from '../../auth/carried_claims.js';
import { chooseMintIssuer } from '../../auth/location_settings.js';
import { unquote } from '../../nginx/configuration/directives.js';
import { variablesOf } from '../../nginx/placement/compare_settings.js';
import { linesOf, readGoodProviders, readProvidersFile, type ProviderLines } from '../../settings/providers_file.js';
import { readFileOf, settingsFile } from './installed_folder.js';

type Variables = { [name: string]: string };

/**
 * Reads the lines that the providers file asks for; none where settings.conf names no file. Without a claim's lines a
 * client could send its header itself, so nothing is installed while the file has a fault.
 * @param dir the installed folder
 * @throws Fault with every fault of the file
 */
export function readListedLines(dir: string): ProviderLines {
  return linesOf(readGoodProviders(providersOf(dir)));
}

/** Reads the lines that the installed files have. */
export function readInstalledLines(dir: string): ProviderLines {
  const { keygate_claims = '' } = valuesOf(readFileOf(dir, 'decision_server.conf') ?? '');
  const headers = /\$keygate_provider_headers \{ default "([a-z0-9,-]*)"; \}/.exec(
    readFileOf(dir, 'asking.conf') ?? '',
  );
  return {
    claims: keygate_claims.split(' ').filter((name) => /^keygate_claim_[a-z0-9_]+$/.test(name)),
    providerHeaders: (headers?.[1] ?? '').split(',').filter((name) => name !== ''),
  };
}

/** @returns a difference for each fault of the providers file, or one where it asks for other lines than are there */
export function checkProviders(dir: string): { file: string; problem: string }[] {
  const named = providersOf(dir);
  const file = named.jwtProviders ?? settingsFile;
  const read = readProvidersFile(named);
  if ('faults' in read) return read.faults.map((problem) => ({ file, problem }));
  const [listed, installed] = [headersOf(linesOf(read.providers)), headersOf(readInstalledLines(dir))];
  const added = listed.filter((name) => !installed.includes(name)).map((name) => `${name} is new`);
  const gone = installed.filter((name) => !listed.includes(name)).map((name) => `${name} is gone`);
  const changes = [...added, ...gone].join(', ');
  if (changes === '') return [];
  return [{ file, problem: `other headers than were installed: ${changes}: run keygate install, and reload nginx` }];
}

function headersOf({ claims, providerHeaders }: ProviderLines): string[] {
  return [...claims.map((variable) => claimHeader(variable).header), ...providerHeaders];
}

function providersOf(dir: string) {
  const variables = valuesOf(readFileOf(dir, settingsFile) ?? '');
  const { keygate_mint_issuer: mintIssuer, keygate_jwt_issuer: jwtIssuer } = variables;
  const hasJwks = Boolean(variables['keygate_jwks_path'] || variables['keygate_jwks_url']);
  return {
    jwtProviders: variables['keygate_jwt_providers_file'] || undefined,
    jwtIssuer,
    mintIssuer: chooseMintIssuer({ mintIssuer, hasJwks, jwtIssuer }),
  };
}

function valuesOf(text: string): Variables {
  const rows = Object.entries(variablesOf(text));
  return Object.fromEntries(rows.map(([name, { words }]) => [name, unquote(words[2])]));
}
