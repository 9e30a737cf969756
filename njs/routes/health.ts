// GET /health/ready: which parts can do their work. The answer has no names, paths or reasons: the log has them.

import { jsonMediaType } from '../../auth/answer.js';
import { isFaulty } from '../keys/source_faults.js';
import { currentKeySet } from '../keys/key_set.js';
import { askSidecar } from '../sidecar.js';
import { ageMs, readState, writeState } from '../keys/shared_state.js';
import { jwksSources, readDenials, readStoredJwks, type JwksSource, type StoredJwks } from '../keys/trusted_keys.js';

type Condition = 'ok' | 'degraded' | 'failing';

const probeEveryMs = 5000;

/** Answers 200, or 503 when no credential at all could be verified. */
export async function ready(r: NginxHTTPRequest): Promise<void> {
  const verifier = await probeVerifier(r);
  const keys = conditionOfKeys();
  const sets = jwksSources.map(conditionOfJwks);
  const jwks = worstOf(readDenials() === undefined ? sets.concat('failing') : sets);
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

function conditionOfKeys(): Condition {
  const keySet = currentKeySet();
  if (keySet === undefined || !keySet.available) return 'failing';
  return isFaulty('keys') || isFaulty('denied') ? 'degraded' : 'ok';
}

function conditionOfJwks(name: JwksSource): Condition {
  const stored: StoredJwks = readStoredJwks(name);
  if (!stored.configured || name === 'minting') return isFaulty(name) ? 'degraded' : 'ok';
  if (stored.keys === undefined) return 'failing';
  return isFaulty(name) ? 'degraded' : 'ok';
}

function hasNoJwks(): boolean {
  return jwksSources.every((name) => readStoredJwks(name).keys === undefined);
}

function worstOf(conditions: Condition[]): Condition {
  if (conditions.indexOf('failing') >= 0) return 'failing';
  return conditions.indexOf('degraded') >= 0 ? 'degraded' : 'ok';
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
