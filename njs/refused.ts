// Refusals of API keys that cost bcrypt, remembered for 10 s by all workers, under the same names as admissions.

import type { Reason } from '../auth/refusals.js';

const lasting: Reason[] = ['unknown_key', 'insufficient_scope'];

/** @returns the reason for which a key was refused a moment ago under this generation of keys, or undefined */
export function recallRefusal(name: string, generation: string): Reason | undefined {
  const text = ngx.shared.keygate_refused.get(name);
  if (text === undefined || text.slice(0, generation.length) !== generation) return undefined;
  const reason = text.slice(generation.length) as Reason;
  return lasting.indexOf(reason) >= 0 ? reason : undefined;
}

/** Files a refusal, if it is one that lasts. */
export function rememberRefusal(name: string, reason: Reason, generation: string): void {
  if (lasting.indexOf(reason) < 0) return;
  try {
    ngx.shared.keygate_refused.set(name, generation + reason);
  } catch (_) {
    // Not remembered: the next request asks again.
  }
}
