// js_periodic, every 200 ms in one worker: takes up changed files. The generation changes last, so that no request
// uses an incomplete set.

import { chooseMintIssuer, parseList } from '../../auth/location_settings.js';
import { refreshDenied } from './denials.js';
import { isClustered } from './key_files.js';
import { forgetLastGood } from './last_good.js';
import { reportFault, recover, type Source } from './source_faults.js';
import { forgetFile } from './watched_file.js';
import { tickSteadyClock } from './steady_clock.js';
import { counters, reserveCounters } from '../counters.js';
import { log, oneLine } from '../platform.js';
import { refreshKeys } from './load_keys.js';
import { clearState, clockToleranceMs, readState, writeState } from './shared_state.js';
import { forgetFetches, forgetFetchTimes } from './fetch_state.js';
import { switchGeneration } from './generation.js';
import { readJwksFile, refreshJwksFile } from './jwks_files.js';
import { refreshProviders } from './providers.js';
import { placeOfUrl } from './remote_sets.js';
import { describeConsequence } from './store_jwks.js';
import { readStoredJwks } from './stored_jwks.js';
import { jwksSources } from './stored_providers.js';
import { noCluster } from './trusted_keys.js';

// All but `providers`, whose keys stay through a reload, is read anew after one with other sources.
const files = ['keys', 'snapshot', 'entry_secret', 'minting', 'shared', 'local', 'denied'];
const apartMs = 150; // several servers may include the snippet: within this time only the first run does the work

/** Checks every file once. */
export function refresh(session: NginxPeriodicSession): void {
  const nowMs = Date.now();
  const lastMs = Number(readState('refreshed_ms') || 0);
  if (lastMs > nowMs + clockToleranceMs) forgetFetchTimes(jwksSources(), nowMs);
  else if (lastMs <= nowMs && nowMs - lastMs < apartMs) return;
  writeState('refreshed_ms', String(nowMs));
  tickSteadyClock(nowMs);
  const variables = session.variables;
  const areNew = startAnewWithOtherSources(variables);
  guard('keys', nowMs, () => refreshKeys(variables, nowMs, areNew));
  guard('minting', nowMs, () => refreshMinting('minting', variables, nowMs));
  if (isClustered(variables)) guard('shared', nowMs, () => refreshMinting('shared', variables, nowMs));
  guard('local', nowMs, () => refreshLocal(variables, nowMs));
  guard('providers', nowMs, () => refreshProviders(variables, nowMs, mintIssuer(variables)));
  guard('denied', nowMs, () => refreshDenied(variables, nowMs));
  switchGeneration();
}

// A failure of one source (a set too large for its zone) must not keep the other sources from their changes.
function guard(source: Source, nowMs: number, refreshOne: () => void): void {
  try {
    refreshOne();
  } catch (e) {
    reportFault(source, `not taken up: ${oneLine(e) || 'no memory'}`, nowMs);
  }
}

// Shared memory outlives a reload: keys from a file or URL that is no longer configured must not be used.
function startAnewWithOtherSources(variables: NginxVariables): boolean {
  const { keygate_api_keys_file, keygate_state_dir, keygate_jwks_path, keygate_jwks_url } = variables;
  const { keygate_jwt_providers_file, keygate_jwt_issuer, keygate_claims, keygate_provider_headers } = variables;
  const cluster = isClustered(variables) ? 'cluster' : '';
  const areCounted = counters() === undefined ? '' : 'counted'; // with metrics on, each key's counter is made anew
  const named = [keygate_api_keys_file, keygate_state_dir, keygate_jwks_path, keygate_jwks_url, areCounted, cluster];
  const providers = [keygate_jwt_providers_file, keygate_jwt_issuer, keygate_claims, keygate_provider_headers];
  const sources = JSON.stringify(named.concat(mintIssuer(variables), providers));
  if (readState('sources') === sources) return false;
  writeState('sources', sources);
  reserveCounters(Date.now());
  checkAtStart(variables);
  files.forEach(forgetFile);
  forgetFile('providers'); // the issuers that no provider may have are others now
  jwksSources().forEach((name) => clearState(`problems:${name}`));
  startAnewInCluster(variables);
  clearState('minting');
  clearState('local');
  clearState('denied');
  forgetFetches('remote');
  writeState('place:remote', placeOfUrl(keygate_jwks_url || ''));
  writeState('remote', JSON.stringify({ configured: Boolean(keygate_jwks_url) }));
  return true;
}

// A node that joins a cluster, or leaves it, keeps nothing of what the snapshot said.
function startAnewInCluster(variables: NginxVariables): void {
  forgetLastGood();
  clearState('shared');
  if (isClustered(variables)) {
    clearState('shared_denied');
    clearState('entry_secret');
    return;
  }
  writeState('shared_denied', noCluster);
  recover('shared');
}

// Warns of faults in the configuration that neither nginx nor a request would show, once for each configuration.
function checkAtStart(variables: NginxVariables): void {
  if (!KEYGATE_QUICKJS && njs.engine === 'QuickJS') {
    log(
      ngx.WARN,
      'keygate.js is the bundle for js_engine njs, but the engine is qjs: slower than need be; run `keygate ' +
        'install` again',
    );
  }
  const { keygate_jwks_url, keygate_jwks_path, keygate_jwt_issuer, keygate_jwt_audience } = variables;
  if (keygate_jwks_url && (!keygate_jwt_issuer || !keygate_jwt_audience)) {
    log(
      ngx.WARN,
      '$keygate_jwks_url is set: $keygate_jwt_issuer and $keygate_jwt_audience need values, or the word any, in ' +
        'settings.conf or in each guarded location',
    );
  }
  const isUnnamed = parseList(keygate_jwt_issuer || '') === 'any';
  if (variables.keygate_jwt_providers_file && isUnnamed && (keygate_jwks_url || keygate_jwks_path)) {
    log(
      ngx.WARN,
      '$keygate_jwt_providers_file is set: $keygate_jwks_path and $keygate_jwks_url count only in locations whose ' +
        '$keygate_jwt_issuer names issuers',
    );
  }
}

const mintingFiles = { minting: 'public/jwks.json', shared: 'shared/jwks.json' };

// The sidecar makes its keys when it first starts, and those of other nodes come later: a missing file is no fault.
function refreshMinting(name: 'minting' | 'shared', variables: NginxVariables, nowMs: number): void {
  const issuer = mintIssuer(variables);
  const reading = readJwksFile({ name, path: `${variables.keygate_state_dir}/${mintingFiles[name]}`, issuer }, nowMs);
  if (reading.found !== 'unusable') return;
  const isMissing = reading.why === 'ENOENT';
  if (!isMissing)
    reportFault(name, `${mintingFiles[name]} of the sidecar: ${reading.why}${describeConsequence(name)}`, nowMs);
  if (readState(name) === undefined)
    writeState(name, JSON.stringify(isMissing ? { configured: true } : { configured: true, issuer }));
}

function mintIssuer(variables: NginxVariables): string {
  const { keygate_mint_issuer, keygate_jwks_path, keygate_jwks_url, keygate_jwt_issuer } = variables;
  const hasJwks = Boolean(keygate_jwks_path || keygate_jwks_url);
  return chooseMintIssuer({ mintIssuer: keygate_mint_issuer, hasJwks, jwtIssuer: keygate_jwt_issuer });
}

function refreshLocal(variables: NginxVariables, nowMs: number): void {
  const path = variables.keygate_jwks_path;
  if (path) return refreshJwksFile({ name: 'local', path }, 'JWKS_PATH', nowMs);
  if (readStoredJwks('local').configured || readState('local') === undefined) {
    writeState('local', JSON.stringify({ configured: false }));
  }
}
