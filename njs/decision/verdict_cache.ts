// Level two of the verdict cache: shared by all workers, filed under an HMAC of the location's settings and the whole
// credential, so that no credential stands in it and a verdict counts only where it was reached. The first level on the
// old engine, which makes every function anew for each request and so has all of a hit in one.

import { hmacSha256, nodeCrypto } from '../hash.js';
import type { Known } from '../known_admission.js';
import { readHmacSecret } from '../keys/shared_state.js';

/** What was looked up or filed last, and its name: that takes an HMAC. */
export interface LastFiled {
  filed: string;
  name: string;
}

/**
 * Looks an admission up.
 * @param filed the settings and credential headers, as a question ends with them
 * @returns undefined when there is none of the current generation that still holds
 */
export function recallEverywhere(filed: string, last: LastFiled): Known | undefined {
  const state = ngx.shared.keygate_state;
  if (last.filed !== filed) {
    const secret = state.get('hmac_secret') as string | undefined;
    if (secret === undefined) return undefined;
    last.name = nodeCrypto.createHmac('sha256', secret).update(filed).digest('base64url');
    last.filed = filed;
  }
  const text = ngx.shared.keygate_verdicts.get(last.name);
  if (text === undefined) return undefined;
  const fields = text.split('\n') as FiledFields;
  const generation = fields[0];
  const expiresMs = Number(fields[2]);
  if (generation !== state.get('generation') || !(expiresMs > Date.now())) return undefined;
  return { question: filed, generation, expiresMs, method: fields[1], subject: fields[3], issuer: fields[4] };
}

type FiledFields = [
  generation: string,
  method: Known['method'],
  expiresMs: string,
  subject: string,
  issuer: string,
];

const maxMs = 3600000;

/** Files an admission; a full zone never fails a request. */
export function rememberEverywhere(name: string, known: Known): void {
  const { generation, method, expiresMs, subject, issuer } = known;
  const restMs = Math.min(maxMs, expiresMs - Date.now());
  if (!(restMs > 0)) return;
  try {
    const text = [generation, method, expiresMs, subject, issuer].join('\n');
    ngx.shared.keygate_verdicts.set(name, text, Math.max(1, Math.floor(restMs)));
  } catch (_) {
    // Not remembered: the next request decides again.
  }
}

/** Makes a name that gives nothing away. */
export function fileName(filed: string, last: LastFiled): string {
  if (last.filed !== filed) {
    last.name = hmacSha256(readHmacSecret(), filed);
    last.filed = filed;
  }
  return last.name;
}
