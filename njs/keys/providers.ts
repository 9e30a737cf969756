// JWT_PROVIDERS' file taken up: a file with a fault leaves the providers of the last good file in use. A provider whose
// keys come from another place than before starts without keys.

import { parseList } from '../../auth/location_settings.js';
import { nameVariable } from '../../auth/carried_claims.js';
import { maxProvidersBytes, parseProviders, providerHeaders } from '../../auth/providers.js';
import { jwksFileOf, type ProviderEntry } from '../../auth/provider_members.js';
import { log, oneLine } from '../platform.js';
import { forgetFetches, wantFetch } from './fetch_state.js';
import { refreshJwksFile } from './jwks_files.js';
import { placeOf } from './remote_sets.js';
import { clearState, readState, writeState } from './shared_state.js';
import { forgetFault, recover, reportFault } from './source_faults.js';
import type { JwksSource } from './stored_jwks.js';
import { dropProviders, readEntries, sourceOf, storeProviders } from './stored_providers.js';
import { forgetFile, readIfChanged, rejectContent, type FileReading } from './watched_file.js';

const name = 'providers';

/** Takes the file up where it has changed, and then the files with providers' keys. */
export function refreshProviders(variables: NginxVariables, nowMs: number, mintIssuer: string): void {
  const path = variables.keygate_jwt_providers_file || '';
  if ((readState('providers_file') || '') !== path) startAnew(path);
  if (path === '') return;
  let reading = readIfChanged({ path, name, maxBytes: maxProvidersBytes }, nowMs);
  if (reading.found === 'changed') {
    const jwtIssuers = parseList(variables.keygate_jwt_issuer || '');
    const taken = { MINT_ISSUER: [mintIssuer], JWT_ISSUER: jwtIssuers === 'any' ? [] : jwtIssuers };
    const parsed = parseProviders(reading.text, taken);
    if ('providers' in parsed) warnOfHeaders(parsed.providers, variables);
    reading =
      'faults' in parsed ? rejectFile(parsed.faults) : takeUp(withKnownClaims(parsed.providers, variables), reading);
  }
  if (reading.found === 'unusable') reportFault(name, `JWT_PROVIDERS ${path}: ${reading.why}${consequence()}`, nowMs);
  readEntries().forEach((entry) => {
    const jwksFile = jwksFileOf(entry);
    if (jwksFile === undefined) return;
    const file = { name: sourceOf(entry.name), path: besideOf(path, jwksFile) };
    refreshJwksFile(file, `provider ${entry.name}:`, nowMs);
  });
}

function besideOf(path: string, file: string): string {
  return file.charAt(0) === '/' ? file : path.replace(/[^/]*$/, '') + file;
}

// Shared memory outlives a reload: providers of a file that is no longer configured must not be used.
function startAnew(path: string): void {
  dropAll(path === '' ? undefined : 'unavailable');
  forgetFile(name);
  forgetFault(name);
  writeState('providers_file', path);
}

function dropAll(mode: 'unavailable' | undefined): void {
  const entries = readEntries();
  dropProviders(mode);
  entries.forEach((entry) => forgetKeys(sourceOf(entry.name)));
}

function rejectFile(faults: string[]): FileReading {
  faults.forEach((fault) => log(ngx.ERR, `JWT_PROVIDERS: ${fault}`));
  const more = faults.length > 1 ? ` (and ${faults.length - 1} more, logged above)` : '';
  return rejectContent(name, `${String(faults[0])}${more}`);
}

function consequence(): string {
  return readState('providers_mode') === 'on'
    ? '; the providers loaded before stay in use'
    : '; no provider was loaded yet: tokens of unknown issuers get 503';
}

// nginx must have the variable of a claim: a script can't make one.
function withKnownClaims(entries: ProviderEntry[], { keygate_claims = '' }: NginxVariables): ProviderEntry[] {
  const known = keygate_claims.split(' ');
  const unknown: string[] = [];
  const usable = entries.map((entry) => {
    const claims = entry.claims.filter((claim) => known.indexOf(nameVariable(claim)) >= 0);
    entry.claims.forEach((claim) => {
      if (claims.indexOf(claim) < 0) unknown.push(claim.name);
    });
    return Object.assign({}, entry, { claims });
  });
  if (unknown.length > 0) {
    const names = unknown.join(', ');
    warn(`nginx has no variables for these claims, and the upstream gets none: ${names}`);
  }
  return usable;
}

// Which headers nginx sends with a question, and keeps from the upstream, are lines of its configuration.
function warnOfHeaders(entries: ProviderEntry[], { keygate_provider_headers = '' }: NginxVariables): void {
  const named = providerHeaders(entries).join(',');
  if (named === keygate_provider_headers) return;
  warn(`its headers are ${named || 'none'}, and nginx still reads ${keygate_provider_headers || 'none'}`);
}

function warn(what: string): void {
  log(ngx.WARN, `JWT_PROVIDERS: ${what}: restart Keygate, or run \`keygate install\` and reload nginx`);
}

function takeUp(entries: ProviderEntry[], reading: FileReading): FileReading {
  try {
    const gone = readEntries().filter((before) => !entries.some((entry) => entry.name === before.name));
    entries.forEach(keepPlace); // before the new rules are there: keys of another place must never hold under them
    storeProviders(entries);
    gone.forEach((entry) => forgetKeys(sourceOf(entry.name)));
  } catch (e) {
    dropAll('unavailable'); // half of a change could admit somebody
    entries.forEach((entry) => forgetKeys(sourceOf(entry.name)));
    return rejectContent(name, `not taken up: ${oneLine(e) || 'no memory'}`);
  }
  recover(name);
  return reading;
}

function keepPlace(entry: ProviderEntry): void {
  const source = sourceOf(entry.name);
  const place = placeOf(entry);
  if (readState(`place:${source}`) === place) return;
  forgetKeys(source);
  writeState(source, JSON.stringify({ configured: true }));
  writeState(`place:${source}`, place);
  wantFetch(source);
}

function forgetKeys(source: JwksSource): void {
  clearState(source);
  clearState(`place:${source}`);
  clearState(`problems:${source}`);
  clearState(`taken_ms:${source}`);
  clearState(`discovered:${source}`);
  clearState(`discovered_ms:${source}`);
  forgetFile(source);
  forgetFault(source);
  forgetFetches(source);
}
