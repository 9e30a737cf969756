// js_periodic, every 300 ms in one worker: takes up changed files. The generation changes last, so that no
// request meets a set that is not complete.

import { parseDenyList } from '../../auth/deny_list.js';
import { chooseMintIssuer } from '../../auth/location_settings.js';
import { reportFault, isFaulty, recover, type Source } from './source_faults.js';
import { forgetFile, readIfChanged } from './watched_file.js';
import { log, oneLine } from '../platform.js';
import { refreshKeys } from './load_keys.js';
import { clearState, readState, switchGeneration, writeState } from './shared_state.js';
import { storeJwksText } from './store_jwks.js';
import { readStoredJwks, type StoredDenials } from './trusted_keys.js';

const files = ['keys', 'entry_secret', 'minting', 'local', 'denied'];
const maxBytes = 1048576; // of each of them but the key file
const apartMs = 200; // several servers include the snippet; the first run of a moment is enough

/** Looks at every file once. */
export function refresh(session: NginxPeriodicSession): void {
  const nowMs = Date.now();
  const looked = Number(readState('refreshed_ms'));
  if (nowMs - looked >= 0 && nowMs - looked < apartMs) return;
  writeState('refreshed_ms', String(nowMs));
  const variables = session.variables;
  const areNew = startAnewWithOtherSources(variables);
  guard('keys', nowMs, () => refreshKeys(variables, nowMs, areNew));
  guard('minting', nowMs, () => refreshMinting(variables, nowMs));
  guard('local', nowMs, () => refreshLocal(variables, nowMs));
  guard('denied', nowMs, () => refreshDenied(variables, nowMs));
  switchGeneration();
}

// What goes wrong with one source (a set too large for its zone) keeps nobody from a change of another.
function guard(source: Source, nowMs: number, refreshOne: () => void): void {
  try {
    refreshOne();
  } catch (e) {
    reportFault(source, `not taken up: ${oneLine(e) || 'no memory'}`, nowMs);
  }
}

// Shared memory outlives a reload: what came from a file or URL that is configured no longer must not be used.
function startAnewWithOtherSources(variables: NginxVariables): boolean {
  const { keygate_api_keys_file, keygate_state_dir, keygate_jwks_path, keygate_jwks_url } = variables;
  const named = [keygate_api_keys_file, keygate_state_dir, keygate_jwks_path, keygate_jwks_url];
  const sources = JSON.stringify(named.concat(mintIssuer(variables)));
  if (readState('sources') === sources) return false;
  writeState('sources', sources);
  checkAtStart(variables);
  files.forEach(forgetFile);
  clearState('minting');
  clearState('local');
  clearState('denied');
  clearState('fetched_ms');
  clearState('fetch_started_ms');
  clearState('fetch_failed_ms');
  writeState('remote_url', keygate_jwks_url || '');
  writeState('remote', JSON.stringify({ configured: Boolean(keygate_jwks_url) }));
  return true;
}

// What a configuration lacks without nginx or a request noticing: said once, when the configuration is first run.
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

// The sidecar makes its keys when it first starts, so a missing file is no fault.
function refreshMinting(variables: NginxVariables, nowMs: number): void {
  const issuer = mintIssuer(variables);
  const reading = readIfChanged(
    { path: `${variables.keygate_state_dir}/public/jwks.json`, name: 'minting', maxBytes },
    nowMs,
  );
  if (reading.found === 'changed') storeJwksText('minting', reading.text, { issuer, nowMs });
  if (reading.found !== 'unusable') return;
  if (reading.why !== 'ENOENT') reportFault('minting', `public/jwks.json of the sidecar: ${reading.why}`, nowMs);
  if (readState('minting') === undefined) writeState('minting', JSON.stringify({ configured: true }));
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
  const reading = readIfChanged({ path, name: 'local', maxBytes }, nowMs);
  if (reading.found === 'changed') storeJwksText('local', reading.text, { nowMs });
  if (reading.found !== 'unusable') return;
  reportFault('local', `JWKS_PATH ${path}: ${reading.why}; keys loaded before stay in use`, nowMs);
  if (readState('local') === undefined) writeState('local', JSON.stringify({ configured: true }));
}

function refreshDenied(variables: NginxVariables, nowMs: number): void {
  const keysFile = variables.keygate_api_keys_file || '';
  const path = keysFile.slice(0, keysFile.lastIndexOf('/') + 1) + 'denied.txt';
  const reading = keysFile === '' ? undefined : readIfChanged({ path, name: 'denied', maxBytes }, nowMs);
  if (reading === undefined || reading.found === 'same') return;
  if (reading.found === 'unusable') {
    // Absent from the start is the rule; one that has vanished or was emptied keeps its last content.
    const isExpected = reading.why === 'ENOENT' && readState('denied') === undefined;
    if (!isExpected) reportFault('denied', `${path}: ${reading.why}; the last good list stays in use`, nowMs);
    return;
  }
  const list = parseDenyList(reading.text);
  const stored: StoredDenials = { jtis: list.jtis, kids: list.kids };
  writeState('denied', JSON.stringify(stored));
  const problems = list.problems.map((one) => `line ${one.line}: ${one.problem}`);
  if (problems.length > 0) ngx.log(ngx.WARN, `keygate: ${path}: ${problems.slice(0, 20).join('; ')}`);
  if (isFaulty('denied')) recover('denied');
}
