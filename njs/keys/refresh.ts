// js_periodic, every 200 ms in one worker: takes up changed files. The generation changes last, so that no request
// uses an incomplete set.

import { chooseMintIssuer } from '../../auth/location_settings.js';
import { refreshDenied } from './denials.js';
import { isClustered } from './key_files.js';
import { forgetLastGood } from './last_good.js';
import { reportFault, recover, type Source } from './source_faults.js';
import { forgetFile, readIfChanged, rejectContent, type FileReading } from './watched_file.js';
import { tickSteadyClock } from './steady_clock.js';
import { counters, reserveCounters } from '../counters.js';
import { log, oneLine } from '../platform.js';
import { refreshKeys } from './load_keys.js';
import { clearState, clockToleranceMs, readState, switchGeneration, writeState } from './shared_state.js';
import { forgetFetchTimes } from './remote_jwks.js';
import { describeConsequence, storeJwksText } from './store_jwks.js';
import { jwksSources, noCluster, readStoredJwks } from './trusted_keys.js';

const files = ['keys', 'snapshot', 'entry_secret', 'minting', 'shared', 'local', 'denied'];
const maxBytes = 1048576; // for every file of JWKs
const apartMs = 150; // several servers may include the snippet: within this time only the first run does the work

/** Checks every file once. */
export function refresh(session: NginxPeriodicSession): void {
  const nowMs = Date.now();
  const lastMs = Number(readState('refreshed_ms') || 0);
  if (lastMs > nowMs + clockToleranceMs) forgetFetchTimes(nowMs);
  else if (lastMs <= nowMs && nowMs - lastMs < apartMs) return;
  writeState('refreshed_ms', String(nowMs));
  tickSteadyClock(nowMs);
  const variables = session.variables;
  const areNew = startAnewWithOtherSources(variables);
  guard('keys', nowMs, () => refreshKeys(variables, nowMs, areNew));
  guard('minting', nowMs, () => refreshMinting('minting', variables, nowMs));
  if (isClustered(variables)) guard('shared', nowMs, () => refreshMinting('shared', variables, nowMs));
  guard('local', nowMs, () => refreshLocal(variables, nowMs));
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
  const cluster = isClustered(variables) ? 'cluster' : '';
  const areCounted = counters() === undefined ? '' : 'counted'; // with metrics on, each key's counter is made anew
  const named = [keygate_api_keys_file, keygate_state_dir, keygate_jwks_path, keygate_jwks_url, areCounted, cluster];
  const sources = JSON.stringify(named.concat(mintIssuer(variables)));
  if (readState('sources') === sources) return false;
  writeState('sources', sources);
  reserveCounters(Date.now());
  checkAtStart(variables);
  files.forEach(forgetFile);
  jwksSources.forEach((name) => clearState(`problems:${name}`));
  startAnewInCluster(variables);
  clearState('minting');
  clearState('local');
  clearState('denied');
  clearState('fetched_ms');
  clearState('fetch_started_ms');
  clearState('fetch_failed_ms');
  clearState('fetches');
  clearState('wanted');
  writeState('remote_url', keygate_jwks_url || '');
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
  const { keygate_jwks_url, keygate_jwt_issuer, keygate_jwt_audience } = variables;
  if (keygate_jwks_url && (!keygate_jwt_issuer || !keygate_jwt_audience)) {
    log(
      ngx.WARN,
      '$keygate_jwks_url is set: $keygate_jwt_issuer and $keygate_jwt_audience need values, or the word any, in ' +
        'settings.conf or in each guarded location',
    );
  }
}

const mintingFiles = { minting: 'public/jwks.json', shared: 'shared/jwks.json' };

// The sidecar makes its keys when it first starts, and those of other nodes come later: a missing file is no fault.
function refreshMinting(name: 'minting' | 'shared', variables: NginxVariables, nowMs: number): void {
  const issuer = mintIssuer(variables);
  const path = `${variables.keygate_state_dir}/${mintingFiles[name]}`;
  const reading = takeJwksUp(name, readIfChanged({ path, name, maxBytes }, nowMs), issuer);
  if (reading.found !== 'unusable') return;
  const isMissing = reading.why === 'ENOENT';
  if (!isMissing)
    reportFault(name, `${mintingFiles[name]} of the sidecar: ${reading.why}${describeConsequence(name)}`, nowMs);
  if (readState(name) === undefined)
    writeState(name, JSON.stringify(isMissing ? { configured: true } : { configured: true, issuer }));
}

// Content without a usable key counts as damaged.
function takeJwksUp(name: 'minting' | 'shared' | 'local', reading: FileReading, issuer?: string): FileReading {
  if (reading.found !== 'changed') return reading;
  const fault = storeJwksText(name, reading.text, issuer);
  return fault === undefined ? reading : rejectContent(name, fault);
}

function mintIssuer(variables: NginxVariables): string {
  const { keygate_mint_issuer, keygate_jwks_path, keygate_jwks_url, keygate_jwt_issuer } = variables;
  const hasJwks = Boolean(keygate_jwks_path || keygate_jwks_url);
  return chooseMintIssuer({ mintIssuer: keygate_mint_issuer, hasJwks, jwtIssuer: keygate_jwt_issuer });
}

function refreshLocal(variables: NginxVariables, nowMs: number): void {
  const path = variables.keygate_jwks_path;
  if (!path) {
    if (readStoredJwks('local').configured || readState('local') === undefined) {
      writeState('local', JSON.stringify({ configured: false }));
    }
    return;
  }
  const reading = takeJwksUp('local', readIfChanged({ path, name: 'local', maxBytes }, nowMs));
  if (reading.found !== 'unusable') return;
  reportFault('local', `JWKS_PATH ${path}: ${reading.why}${describeConsequence('local')}`, nowMs);
  if (readState('local') === undefined) writeState('local', JSON.stringify({ configured: true }));
}
