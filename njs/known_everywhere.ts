// Level two of the verdict cache: shared by all workers, filed under an HMAC of the whole credential and the
// location's settings, so that no credential stands in it and a verdict counts only where it was reached.

import type { Principal, Verdict } from '../auth/verdict.js';
import { admit, refuse } from '../auth/verdict.js';
import { hmacSha256 } from './platform.js';
import { readHmacSecret } from './state.js';

const maxValueCharacters = 4096; // one oversized value would empty the zone
const maxSeconds = 3600;

/** The file name of a verdict. */
export function verdictId(settings: string, credential: string): string {
  return hmacSha256(readHmacSecret(), settings + '\n' + credential);
}

/**
 * Looks a verdict up.
 * @returns it, or undefined when there is none of this generation that still holds
 */
export function recallEverywhere(id: string, generation: string, nowSeconds: number): Verdict | undefined {
  const refused = ngx.shared.keygate_refused.get(id);
  if (refused === generation) return refuse('unknown_key');
  const text = ngx.shared.keygate_verdicts.get(id);
  if (text === undefined || text.slice(0, generation.length) !== generation) return undefined;
  const principal = JSON.parse(text.slice(generation.length)) as Principal;
  const expires = principal.expiresSeconds;
  return expires !== undefined && expires <= nowSeconds ? undefined : admit(principal);
}

/** Files a verdict; a full zone never fails a request. */
export function rememberEverywhere(id: string, generation: string, verdict: Verdict): void {
  try {
    if (!verdict.admitted) {
      if (verdict.reason === 'unknown_key') ngx.shared.keygate_refused.set(id, generation);
      return;
    }
    const text = generation + JSON.stringify(verdict.principal);
    if (text.length > maxValueCharacters) return;
    const expires = verdict.principal.expiresSeconds;
    const seconds = expires === undefined ? maxSeconds : Math.min(maxSeconds, expires - Date.now() / 1000);
    if (seconds > 0) ngx.shared.keygate_verdicts.set(id, text, Math.max(1, Math.floor(seconds * 1000)));
  } catch (_) {
    // Not remembered: the next request decides again.
  }
}
