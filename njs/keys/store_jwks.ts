// A JWKS text taken up: usable keys are stored, the others reported by place and kid. A text without a usable key
// leaves the last good set in use.

import { parseJwks } from '../../auth/jwk.js';
import { log, parsingPlatform } from '../platform.js';
import { recover } from './source_faults.js';
import { readState, writeState } from './shared_state.js';
import { readStoredJwks, type JwksSource, type StoredJwks } from './stored_jwks.js';

const sources: { [source: string]: string } = {
  minting: 'public/jwks.json of the sidecar',
  shared: 'shared/jwks.json of the sidecar',
  local: 'JWKS_PATH',
  remote: 'JWKS_URL',
};
const shownProblems = 20;

/**
 * Stores the keys of a JWKS.
 * @param issuer whose tokens the keys verify, for our own
 * @returns why the text can't count, in words fit for a log; undefined when it does
 */
export function storeJwksText(name: JwksSource, text: string, issuer?: string): string | undefined {
  const parsed = parseJwks(text, parsingPlatform());
  if ('fault' in parsed) return parsed.fault;
  const problems = parsed.problems
    .concat(parsed.warnings)
    .map((one) => `key ${one.index + 1} (kid ${one.kid || 'none'}): ${one.problem}`);
  logProblems(name, problems.slice(0, shownProblems).join('; '));
  const mayBeEmpty = name === 'shared' && parsed.problems.length === 0; // no other node of the cluster mints
  if (parsed.keys.length === 0 && !mayBeEmpty) return 'no usable key';
  const stored: StoredJwks = { configured: true, keys: parsed.keys };
  if (issuer !== undefined) stored.issuer = issuer;
  writeState(name, JSON.stringify(stored));
  writeState(`taken_ms:${name}`, String(Date.now()));
  recover(name);
  return undefined;
}

// A set is fetched again and again: its problems are told when they are others than before.
function logProblems(name: JwksSource, problems: string): void {
  if (readState(`problems:${name}`) === problems) return;
  writeState(`problems:${name}`, problems);
  if (problems !== '') log(ngx.WARN, `${sources[name] || name}: ${problems}`);
}

/** What a fault of a set means for its tokens, as the end of a log line. */
export function describeConsequence(name: JwksSource): string {
  const hasKeys = readStoredJwks(name).keys !== undefined;
  return hasKeys ? '; keys loaded before stay in use' : '; no key was loaded yet: tokens that need one get 503';
}
