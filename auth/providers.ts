// The file of JWT_PROVIDERS: whose tokens are taken, and what each token must say. All faults are reported at once,
// each with its place. A file with a fault is refused as a whole: a rule that was left out might have refused somebody.

import { claimHeader, nameVariable } from './carried_claims.js';
import { maxProviderHeaders } from './credential_headers.js';
import { expected, listOf, membersOf, printable } from './file_members.js';
import { findDoubledMember, parseJson, parseJsonObject } from './json.js';
import { readProvider, type ProviderEntry } from './provider_members.js';

const maxFileCharacters = 262144;
/** The longest file, in bytes. */
export const maxProvidersBytes = 1048576;
const maxProviders = 64;
const maxFaults = 100;

/** Issuers that no provider may have, by the setting that names them: other keys verify their tokens. */
export interface TakenIssuers {
  [setting: string]: string[];
}

/**
 * Parses the text of a providers file.
 * @returns the providers, or all faults (101 lines at most), each as `PLACE: expected ...`
 */
export function parseProviders(
  text: string,
  taken: TakenIssuers = {},
): { providers: ProviderEntry[] } | { faults: string[] } {
  const faults: string[] = [];
  const file = { path: 'the file', faults };
  const isLong = text.length > maxFileCharacters;
  const parsed = isLong ? { fault: 'too long' as const } : parseJsonObject(text);
  if ('fault' in parsed) {
    const isNone = !isLong && parsed.fault === 'not an object' && parseJson(text) === undefined;
    const what = isNone
      ? 'JSON; `keygate provider check` says where it is none'
      : `a JSON object of up to ${maxFileCharacters} characters, and it is ${parsed.fault}`;
    expected(what, file);
    return { faults };
  }
  const doubled = findDoubledMember(text);
  if (doubled !== undefined) expected(`each member once, and an object has ${printable(doubled)} twice`, file);
  const members = membersOf(parsed.object, ['providers'], { path: '', faults });
  const readList = listOf(readProvider, { max: maxProviders, what: 'providers' });
  const providers = (members && members.read('providers', readList)) || [];
  if (faults.length === 0) checkTogether(providers, faults);
  if (faults.length === 0) checkTaken(providers, taken, faults);
  const more = faults.length - maxFaults;
  if (more > 0) faults.splice(maxFaults, faults.length, `${more} more faults`);
  return faults.length > 0 ? { faults } : { providers };
}

// A name and an issuer must lead to a single provider, and a variable of nginx to a single claim.
function checkTogether(providers: ProviderEntry[], faults: string[]): void {
  const owners = Object.create(null) as { [what: string]: string };
  const isFree = (what: string, owner: string) => (owners[what] = owners[what] || owner) === owner;
  providers.forEach(({ name, issuers, claims }, i) => {
    const path = `providers[${i}]`;
    if (!isFree(`name ${name}`, path)) expected('a name of its own', { path: `${path}.name`, faults });
    issuers.forEach((issuer, k) => {
      const place = { path: `${path}.issuer[${k}]`, faults };
      if (!isFree(`issuer ${issuer}`, place.path)) expected('an issuer that stands nowhere else', place);
    });
    claims.forEach((claim, k) => {
      const place = { path: `${path}.claims[${k}]`, faults };
      const variable = nameVariable(claim);
      const isAlone = isFree(`claim ${variable}`, claim.name) && isFree(claimHeader(variable).header, variable);
      if (!isAlone) expected('a claim that differs from the others by a letter or a digit', place);
    });
  });
  if (providerHeaders(providers).length > maxProviderHeaders)
    expected(`at most ${maxProviderHeaders} different headers`, { path: 'providers[].header', faults });
}

function checkTaken(providers: ProviderEntry[], taken: TakenIssuers, faults: string[]): void {
  providers.forEach(({ issuers }, i) => {
    issuers.forEach((issuer, k) => {
      const owners = Object.keys(taken).filter((setting) => (taken[setting] as string[]).indexOf(issuer) >= 0);
      const place = { path: `providers[${i}].issuer[${k}]`, faults };
      if (owners.length > 0) expected(`another issuer than that of ${owners.join(' and ')}`, place);
    });
  });
}

/** The headers in which clients may send tokens of these providers, in lower case, each once and in order. */
export function providerHeaders(providers: ProviderEntry[]): string[] {
  const named = providers.map(({ header = '' }) => header.toLowerCase()).sort();
  return named.filter((name, i) => name !== '' && named.indexOf(name) === i);
}
