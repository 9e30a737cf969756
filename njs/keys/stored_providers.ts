// The providers of JWT_PROVIDERS' file, as shared memory has them. A decision reads its token's provider and no other,
// so that ten cost no more than one.

import type { ProviderEntry } from '../../auth/provider_members.js';
import type { Provider, ProvidersByIssuer, TokenRules } from '../../auth/token_rules.js';
import { clearState, readState, writeState, type StateName } from './shared_state.js';
import { lacksKeys, readStoredJwks, type JwksSource, type ProviderSource } from './stored_jwks.js';

/** What decides about a provider's tokens beside its keys. */
type StoredRules = TokenRules & Pick<Provider, 'name' | 'issuers'>;

/** The source of a provider's keys. */
export function sourceOf(name: string): ProviderSource {
  return `provider:${name}`;
}

/** @returns the providers of the last good file; none without JWT_PROVIDERS, and before a good file was read */
export function readEntries(): ProviderEntry[] {
  const text = readState('providers');
  return text === undefined ? [] : (JSON.parse(text) as ProviderEntry[]);
}

/** The sources of all JWKs. */
export function jwksSources(): JwksSource[] {
  const fixed: JwksSource[] = ['minting', 'shared', 'local', 'remote'];
  return fixed.concat(readEntries().map(({ name }) => sourceOf(name)));
}

/** @returns what TrustedKeys.providers is */
export function readProviders(): ProvidersByIssuer | 'unavailable' | undefined {
  const mode = readState('providers_mode');
  if (mode === undefined) return undefined;
  return mode === 'unavailable' ? mode : findInContext();
}

// Those that were found once; a new generation of keys has a function of its own.
function findInContext(): ProvidersByIssuer {
  const found = Object.create(null) as { [issuer: string]: Provider };
  return (issuer) => {
    if (found[issuer] !== undefined) return found[issuer];
    const provider = readProvider(issuer);
    if (provider !== undefined) found[issuer] = provider;
    return provider;
  };
}

const maxIssuerLength = 256;

function readProvider(issuer: string): Provider | undefined {
  if (issuer.length > maxIssuerLength) return undefined;
  const name = readState(`issuer:${issuer}`);
  if (name === undefined) return undefined;
  const set = readStoredJwks(sourceOf(name)); // before the rules: while providers change, old rules get no new keys
  const text = readState(`rules:${name}`);
  if (text === undefined) return undefined;
  const rules = JSON.parse(text) as StoredRules;
  // In the middle of a change, the name may be another issuer's already: then there are no keys yet.
  if (rules.issuers.indexOf(issuer) < 0) return Object.assign(rules, { keys: [], lacksJwks: true });
  return Object.assign(rules, { keys: set.keys || [], lacksJwks: lacksKeys(set) });
}

/**
 * Makes these the providers that decide: the new ones are there before the old ones go, since requests go on meanwhile.
 * The caller then switches the generation.
 */
export function storeProviders(entries: ProviderEntry[]): void {
  const before = readEntries();
  entries.forEach((entry) => {
    writeState(`rules:${entry.name}`, JSON.stringify(rulesOf(entry)));
    entry.issuers.forEach((issuer) => writeState(`issuer:${issuer}`, entry.name));
  });
  writeState('providers', JSON.stringify(entries));
  writeState('providers_mode', 'on');
  clearAll(before, statesOf(entries));
}

function rulesOf(entry: ProviderEntry): StoredRules {
  const { name, issuers, audiences, leewaySeconds, algorithms, require, subject, scopes, claims } = entry;
  const rules: StoredRules = { name, issuers, audiences, leewaySeconds, algorithms, require, subject, scopes };
  if (claims.length > 0) rules.claims = claims;
  return rules;
}

/**
 * Forgets all providers.
 * @param mode `unavailable`: there should be some; undefined: JWT_PROVIDERS is not set
 */
export function dropProviders(mode: 'unavailable' | undefined): void {
  if (mode === undefined) clearState('providers_mode');
  else writeState('providers_mode', mode);
  clearAll(readEntries(), {});
  clearState('providers');
}

type States = { [state: string]: StateName };

function statesOf(entries: ProviderEntry[]): States {
  const states = Object.create(null) as States;
  entries.forEach(({ name, issuers }) => {
    const all: StateName[] = [`rules:${name}`];
    all.concat(issuers.map((issuer): StateName => `issuer:${issuer}`)).forEach((state) => (states[state] = state));
  });
  return states;
}

function clearAll(entries: ProviderEntry[], kept: States): void {
  const states = statesOf(entries);
  Object.keys(states).forEach((state) => {
    if (kept[state] === undefined) clearState(states[state] as StateName);
  });
}
