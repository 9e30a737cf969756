// Level two of the verdict cache: shared by all workers, filed under an HMAC of the whole credential and the
// location's settings, so that no credential stands in it and a verdict counts only where it was reached.

import type { Principal } from '../auth/verdict.js';
import { hmacSha256 } from './hash.js';
import { readGeneration, readHmacSecret } from './state.js';

const maxSeconds = 3600;
const generationCharacters = 22;

/**
 * Makes a name that gives nothing away.
 * @param settingsAndCredential the settings of the location, joined, and the credential
 */
export function fileName(settingsAndCredential: string): string {
  return hmacSha256(readHmacSecret(), settingsAndCredential);
}

type FiledFields = [method: Principal['method'], expires: string, subject: string, issuer: string];

/**
 * Looks an admission up.
 * @returns the principal, or undefined when there is none of the current generation that still holds
 */
export function recallEverywhere(name: string, nowSeconds: number): Principal | undefined {
  const text = ngx.shared.keygate_verdicts.get(name);
  if (text === undefined || text.slice(0, generationCharacters) !== readGeneration()) return undefined;
  const fields = text.slice(generationCharacters).split('\n') as FiledFields;
  const expiresSeconds = fields[1] === '' ? undefined : Number(fields[1]);
  if (expiresSeconds !== undefined && !(expiresSeconds > nowSeconds)) return undefined;
  return { method: fields[0], subject: fields[2], issuer: fields[3], scopes: [], expiresSeconds, keyId: '' };
}

/** Files an admission; a full zone never fails a request. */
export function rememberEverywhere(name: string, principal: Principal, generation: string): void {
  const { method, subject, issuer, expiresSeconds } = principal;
  const restSeconds =
    expiresSeconds === undefined ? maxSeconds : Math.min(maxSeconds, expiresSeconds - Date.now() / 1000);
  if (!(restSeconds > 0)) return;
  const fields = [method, expiresSeconds === undefined ? '' : expiresSeconds, subject, issuer];
  try {
    const restMs = Math.max(1, Math.floor(restSeconds * 1000));
    ngx.shared.keygate_verdicts.set(name, generation + fields.join('\n'), restMs);
  } catch (_) {
    // Not remembered: the next request decides again.
  }
}
