// POST /token: an API key in, a JWT out. nginx passes the credential on; the sidecar looks it up and mints.

import { looksDoubled, readCredential } from '../../auth/credential.js';
import { isReason, type Reason } from '../../auth/refusals.js';
import { budgetOf } from '../decision/failure_limit.js';
import { credentialHeaders } from '../credential_headers.js';
import { readKeySet } from '../keys/key_set.js';
import { oneLine } from '../log.js';
import type { RefusedOutcome } from '../outcome.js';
import { sendRefusal } from '../decision/refusal.js';
import { isDoubled } from '../decision/question.js';
import { askSidecar, isObject } from '../sidecar/sidecar.js';
import { readGeneration } from '../keys/shared_state.js';

const maxTypeCharacters = 200; // the sidecar looks at the media type alone, and refuses to read 20 KB of it

/** Answers every request for /token; none of them goes upstream. */
export async function token(r: NginxHTTPRequest): Promise<void> {
  try {
    const outcome = await mint(r);
    if (typeof outcome === 'string') sendToken(r, outcome);
    else sendRefusal(r, outcome);
  } catch (e) {
    r.error('keygate: no token: ' + oneLine(e));
    sendRefusal(r, refuse('internal_error'));
  }
}

function refuse(reason: Reason): RefusedOutcome {
  return { admitted: false, reason };
}

function sendToken(r: NginxHTTPRequest, body: string): void {
  r.headersOut['Content-Type'] = 'application/json';
  r.headersOut['Cache-Control'] = 'no-store';
  r.return(200, body);
}

async function mint(r: NginxHTTPRequest): Promise<string | RefusedOutcome> {
  if (r.method !== 'POST') return { admitted: false, reason: 'method_not_allowed', allow: 'POST' };
  const presented = readCredential(credentialHeaders(r.variables));
  if ('reason' in presented) return refuse(isDoubled(r) ? 'doubled_header' : presented.reason);
  const { credential, tokenParts } = presented;
  if (looksDoubled(credential) && isDoubled(r)) return refuse('doubled_header');
  const budget = budgetOf(r);
  if (!budget.spend()) {
    return { admitted: false, reason: 'rate_limited', retryAfterSeconds: budget.retryAfterSeconds() };
  }
  if (tokenParts !== undefined) return refuse('token_not_accepted');
  const keySet = readKeySet(readGeneration() || '');
  if (keySet === undefined || !keySet.available) return refuse('keys_unavailable');
  const { generation } = keySet;
  const contentType = (r.variables.content_type || '').slice(0, maxTypeCharacters);
  const body = r.requestText || '';
  const answer = await askSidecar(r, 'token', { credential, generation, contentType, body });
  if (answer === undefined) return refuse('verifier_unavailable');
  if (answer['admitted'] === true && isToken(answer['token'])) return JSON.stringify(answer['token']);
  return refuse(isReason(answer['reason']) ? answer['reason'] : 'verifier_unavailable');
}

function isToken(value: unknown): boolean {
  return isObject(value) && typeof value['token'] === 'string' && typeof value['expires_in'] === 'number';
}
