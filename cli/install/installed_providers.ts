// The claims of identity providers (JWT_PROVIDERS) that the upstream gets: those that an installed folder has lines
// for, and those that the file lists which its settings.conf names.

import { claimHeader } from '../../auth/carried_claims.js';
import { chooseMintIssuer } from '../../auth/location_settings.js';
import { parseDirectives, unquote } from '../../nginx/configuration/directives.js';
import { listClaims, readClaimVariables, readProvidersFile } from '../../settings/providers_file.js';
import { readFileOf, settingsFile } from './installed_folder.js';

type Variables = { [name: string]: string };

/**
 * Reads the claims that the providers file lists.
 * @param dir the installed folder
 * @returns nginx variables, without the dollar sign; none where settings.conf names no file
 * @throws Fault with every fault of the file
 */
export function readListedClaims(dir: string): string[] {
  return readClaimVariables(providersOf(dir));
}

/** Reads the claims that the installed files have lines for. */
export function readInstalledClaims(dir: string): string[] {
  const { keygate_claims = '' } = variablesOf(readFileOf(dir, 'decision_server.conf') ?? '');
  return keygate_claims.split(' ').filter((name) => /^keygate_claim_[a-z0-9_]+$/.test(name));
}

/** @returns a difference for each fault of the providers file, or one where it lists other claims than are installed */
export function checkProviders(dir: string): { file: string; problem: string }[] {
  const named = providersOf(dir);
  const file = named.jwtProviders ?? settingsFile;
  const read = readProvidersFile(named);
  if ('faults' in read) return read.faults.map((problem) => ({ file, problem }));
  const [listed, installed] = [listClaims(read.providers), readInstalledClaims(dir)];
  const added = listed.filter((name) => !installed.includes(name)).map((name) => `${headerOf(name)} is new`);
  const gone = installed.filter((name) => !listed.includes(name)).map((name) => `${headerOf(name)} is gone`);
  const changes = [...added, ...gone].join(', ');
  if (changes === '') return [];
  return [{ file, problem: `other claims than were installed: ${changes}: run keygate install, and reload nginx` }];
}

const headerOf = (variable: string) => claimHeader(variable).header;

function providersOf(dir: string) {
  const variables = variablesOf(readFileOf(dir, settingsFile) ?? '');
  const { keygate_mint_issuer: mintIssuer, keygate_jwt_issuer: jwtIssuer } = variables;
  const hasJwks = Boolean(variables['keygate_jwks_path'] || variables['keygate_jwks_url']);
  return {
    jwtProviders: variables['keygate_jwt_providers_file'] || undefined,
    jwtIssuer,
    mintIssuer: chooseMintIssuer({ mintIssuer, hasJwks, jwtIssuer }),
  };
}

function variablesOf(text: string): Variables {
  const rows = parseDirectives(text).filter(({ words }) => words[0] === 'js_var');
  return Object.fromEntries(rows.map(({ words }) => [words[1]?.slice(1) ?? '', unquote(words[2])]));
}
