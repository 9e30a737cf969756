// GET /health/ready: which parts can do their work. The answer has no names, paths or reasons: the log has them.

import { jsonMediaType } from '../../auth/answer.js';
import { conditionOfAllJwks, conditionOfKeys, hasNoJwks, worstOf, type Condition } from '../keys/conditions.js';
import { currentKeySet } from '../keys/key_set.js';
import { askSidecar } from '../sidecar.js';
import { ageMs, readState, writeState } from '../keys/shared_state.js';

const probeEveryMs = 5000;

/** Answers 200, or 503 when no credential at all could be verified. */
export async function ready(r: NginxHTTPRequest): Promise<void> {
  const verifier = await probeVerifier(r);
  const keys = conditionOfKeys();
  const jwks = conditionOfAllJwks();
  const keySet = currentKeySet();
  const needsSidecar = keySet !== undefined && keySet.entries > 0;
  const isLost = keys === 'failing' && (jwks === 'failing' || hasNoJwks());
  const conditions: Condition[] = [keys, jwks, verifier === 'failing' && needsSidecar ? 'degraded' : 'ok'];
  const status: Condition = isLost ? 'failing' : worstOf(conditions) === 'ok' ? 'ok' : 'degraded';
  r.headersOut['Content-Type'] = jsonMediaType;
  r.headersOut['Cache-Control'] = 'no-store';
  if (isLost) r.headersOut['Retry-After'] = '1';
  r.return(isLost ? 503 : 200, JSON.stringify({ status, components: { keys, jwks, verifier } }));
}

// The sidecar is asked at most once in 5 s, however many requests arrive.
async function probeVerifier(r: NginxHTTPRequest): Promise<Condition> {
  const probed = readState('verifier_ready') as Condition | undefined;
  const nowMs = Date.now();
  if (probed !== undefined && ageMs('verifier_probed_ms', nowMs) < probeEveryMs) return probed;
  writeState('verifier_probed_ms', String(nowMs));
  writeState('verifier_ready', 'ok');
  const keySet = currentKeySet();
  const answer = await askSidecar(r, 'health', { generation: keySet === undefined ? '' : keySet.generation });
  const condition: Condition = answer !== undefined && answer['status'] === 'ok' ? 'ok' : 'failing';
  writeState('verifier_ready', condition);
  return condition;
}
