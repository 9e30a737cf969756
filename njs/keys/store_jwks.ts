// A JWKS text taken up: usable keys are stored, the others reported by place and kid; a text that is no JWKS
// leaves the last good set in use.

import { parseJwks } from '../../auth/jwk.js';
import { reportFault, recover } from './source_faults.js';
import { parsingPlatform } from '../platform.js';
import { writeState } from './shared_state.js';
import type { StoredJwks } from './trusted_keys.js';

const sources = { minting: 'public/jwks.json of the sidecar', local: 'JWKS_PATH', remote: 'JWKS_URL' };

/**
 * Stores the keys of a JWKS.
 * @returns whether the text was a JWKS with a usable key, or an empty one
 */
export function storeJwksText(
  name: 'minting' | 'local' | 'remote',
  text: string,
  about: { issuer?: string; nowMs: number },
): boolean {
  const platform = parsingPlatform();
  const parsed = parseJwks(text, platform);
  if ('fault' in parsed) {
    reportFault(name, `${sources[name]}: ${parsed.fault}; keys loaded before stay in use`, about.nowMs);
    return false;
  }
  const problems = parsed.problems
    .concat(parsed.warnings)
    .map((one) => `key ${one.index + 1} (kid ${one.kid || 'none'}): ${one.problem}`);
  if (problems.length > 0) log(`${sources[name]}: ${problems.slice(0, 20).join('; ')}`);
  if (parsed.keys.length === 0) {
    reportFault(name, `${sources[name]}: no usable key; keys loaded before stay in use`, about.nowMs);
    return false;
  }
  const stored: StoredJwks = { configured: true, keys: parsed.keys };
  if (about.issuer !== undefined) stored.issuer = about.issuer;
  writeState(name, JSON.stringify(stored));
  recover(name);
  return true;
}

function log(text: string): void {
  ngx.log(ngx.WARN, 'keygate: ' + text.replace(/[^\x20-\x7e]/g, '?'));
}
