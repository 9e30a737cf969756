// POST /token: an API key in, a JWT out. nginx passes the credential on; the sidecar looks it up and mints.

import { chooseCredential, readCredential } from '../../auth/credential.js';
import { jsonMediaType } from '../../auth/answer.js';
import { foreignOrigin, formatCors, formatPreflight } from '../../auth/cors.js';
import { carriedForAudit } from '../../auth/identity_headers.js';
import { isJsonObject, type UnverifiedObject } from '../../auth/json.js';
import { principalOf, readRecord } from '../../auth/key_record.js';
import { isReason } from '../../auth/refusals.js';
import { refuse, type Principal } from '../../auth/verdict.js';
import { failureLimit } from '../limits/failure_limit.js';
import { countReason } from '../decision/count_decision.js';
import { countKey } from '../keys/counted_keys.js';
import { readKeySet } from '../keys/key_set.js';
import { oneLine } from '../platform.js';
import { askedSource, isPreflight, readAsked } from '../decision/question.js';
import type { RefusedOutcome } from '../decision/outcome.js';
import { pageOf, sendHeaders, sendPrincipal, sendRouteRefusal } from '../decision/refusal.js';
import { askSidecar } from '../sidecar.js';
import { readGeneration } from '../keys/shared_state.js';

const maxTypeCharacters = 200; // the sidecar reads the media type alone, and refuses a value of 20 KB

/** What became of a request: the answer's body, or a refusal; and whose key it was, where the key is genuine. */
type Outcome = RefusedOutcome | { admitted: true; body: string; principal: Principal };

/** Answers every request for /token: no such request goes upstream. */
export async function token(r: NginxHTTPRequest): Promise<void> {
  try {
    const page = pageOf(r);
    if (page !== '' && page !== foreignOrigin && isPreflight(askedSource, r.variables)) {
      sendHeaders(r, formatPreflight(page));
      r.return(204);
      return;
    }
    const startedMs = Date.now();
    const outcome = await mint(r);
    if (outcome.principal !== undefined) sendPrincipal(r, carriedForAudit, outcome.principal);
    if (outcome.admitted) sendToken(r, outcome.body);
    else sendRouteRefusal(r, outcome);
    countReason(outcome.admitted ? '' : outcome.reason, '', Math.max(0, Date.now() - startedMs));
    if (outcome.principal !== undefined) countKey(outcome.principal.keyId, !outcome.admitted);
  } catch (e) {
    r.error(`keygate: no token (request id ${askedSource.requestId(r.variables)}): ${oneLine(e)}`);
    sendRouteRefusal(r, refuse('internal_error'));
  }
}

function sendToken(r: NginxHTTPRequest, body: string): void {
  r.headersOut['Content-Type'] = jsonMediaType;
  r.headersOut['Cache-Control'] = 'no-store';
  sendHeaders(r, formatCors(pageOf(r)));
  r.return(200, body);
}

async function mint(r: NginxHTTPRequest): Promise<Outcome> {
  if (r.method !== 'POST') return { admitted: false, reason: 'method_not_allowed', allow: 'POST' };
  const { variables } = r;
  const chosen = chooseCredential(readAsked(variables, askedSource), []);
  const presented = typeof chosen === 'string' ? readCredential(chosen) : chosen;
  if ('reason' in presented) return refuse(presented.reason);
  const limit = failureLimit(r, askedSource.client(variables) || '');
  const spent = await limit.spend();
  if (spent !== undefined) return { admitted: false, reason: spent, retryAfterMs: limit.retryAfterMs() };
  const { credential, tokenParts } = presented;
  if (tokenParts !== undefined) return refuse('token_not_accepted');
  const keySet = readKeySet(readGeneration() || '');
  if (keySet === undefined || !keySet.available) return refuse('keys_unavailable');
  const { generation } = keySet;
  const contentType = (variables.content_type || '').slice(0, maxTypeCharacters);
  const body = r.requestText || '';
  const answer = await askSidecar(r, 'token', { credential, generation, contentType, body });
  return answer === undefined ? refuse('verifier_unavailable') : readAnswer(answer);
}

function readAnswer({ admitted, entry, reason, token }: UnverifiedObject): Outcome {
  const record = readRecord(entry);
  const principal = record === undefined ? undefined : principalOf(record);
  if (admitted === true && principal !== undefined && isToken(token))
    return { admitted, body: JSON.stringify(token), principal };
  return { admitted: false, reason: isReason(reason) ? reason : 'verifier_unavailable', principal };
}

function isToken(value: unknown): boolean {
  return isJsonObject(value) && typeof value['token'] === 'string' && typeof value['expires_in'] === 'number';
}
