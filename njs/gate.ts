// What nginx knows and can do for a decision: sets of keys in shared memory, the sidecar, the verdict cache.

import { parseKeyId } from '../auth/api_key.js';
import { decideRecord, type Gate, type KeyRecord } from '../auth/decide.js';
import type { SignatureCheck, SignatureResult } from '../auth/platform.js';
import { refuse, type Verdict } from '../auth/verdict.js';
import type { Budget } from './budget.js';
import { recallEverywhere, rememberEverywhere, verdictId } from './known_everywhere.js';
import { findKey, mayBeHashed, readKeySet, type KeySet } from './key_set.js';
import { nginxPlatform } from './platform.js';
import { refreshForUnknownKid } from './remote_jwks.js';
import { askSidecar, isObject, type Unverified } from './sidecar.js';
import { lacksJwks, readTrustedKeys } from './trusted_keys.js';

export interface GateOptions {
  /** `$keygate_settings` as it was read. */
  joined: string;
  generation: string;
  budget: Budget;
  doubts: Doubts;
}

/** Set when the sidecar judged by another set of keys than nginx: such a verdict counts once, in every cache. */
export interface Doubts {
  any: boolean;
}

/** Builds the gate for one decision; everything it reads belongs to one generation. */
export function buildGate(r: NginxHTTPRequest, options: GateOptions): Gate {
  const { joined, generation, budget, doubts } = options;
  const nowSeconds = Date.now() / 1000;
  const keySet = readKeySet(generation);
  const platform = nginxPlatform(generation, (check) => askSignature(r, check));
  return {
    platform,
    nowSeconds,
    keys: keySet !== undefined && keySet.available ? 'available' : 'missing',
    findKey: (digest) => (keySet === undefined ? undefined : findKey(keySet, digest)),
    mayBeHashed: (credential) => keySet !== undefined && mayBeHashed(keySet, parseKeyId(credential)),
    checkHashedKey: (credential) => checkHashedKey(r, { credential, keySet, budget, doubts, nowSeconds }),
    trustedKeys: () => readTrustedKeys(keySet),
    lacksJwks,
    refreshJwks: () => refreshForUnknownKid(r),
    recall: (credential) => recallEverywhere(verdictId(joined, credential), generation, nowSeconds),
    remember: (credential, verdict) => {
      if (doubts.any) return;
      rememberEverywhere(verdictId(joined, credential), generation, verdict);
    },
  };
}

interface HashedKeyCheck {
  credential: string;
  keySet: KeySet | undefined;
  budget: Budget;
  doubts: Doubts;
  nowSeconds: number;
}

async function checkHashedKey(r: NginxHTTPRequest, check: HashedKeyCheck): Promise<Verdict> {
  if (check.budget.isSpent()) return refuse('rate_limited');
  const generation = check.keySet === undefined ? '' : check.keySet.generation;
  const answer = await askSidecar(r, 'verify', { credential: check.credential, generation });
  const verdict = answer === undefined ? undefined : readVerdict(answer, check.nowSeconds);
  if (answer === undefined || verdict === undefined) return refuse('verifier_unavailable');
  // A key that took too long to check; for nothing, it could keep every thread busy.
  if (answer['spends'] === true) check.budget.spend();
  if (answer['generation'] !== generation) check.doubts.any = true;
  return verdict;
}

function readVerdict(answer: Unverified, nowSeconds: number): Verdict | undefined {
  if (answer['admitted'] === true) {
    const record = readRecord(answer['entry']);
    return record === undefined ? undefined : decideRecord(record, nowSeconds);
  }
  return answer['admitted'] === false ? readRefusal(answer['reason']) : undefined;
}

function readRefusal(reason: unknown): Verdict | undefined {
  if (reason === 'unknown_key' || reason === 'expired_key') return refuse(reason);
  if (reason === 'verifier_busy' || reason === 'keys_unavailable') return refuse(reason);
  return undefined;
}

function readRecord(entry: unknown): KeyRecord | undefined {
  if (!isObject(entry)) return undefined;
  const { subject, scopes, expiresSeconds, fingerprint } = entry;
  if (typeof subject !== 'string' || typeof fingerprint !== 'string' || !Array.isArray(scopes))
    return undefined;
  if (!scopes.every((scope) => typeof scope === 'string')) return undefined;
  if (expiresSeconds !== null && typeof expiresSeconds !== 'number') return undefined;
  return { subject, scopes: scopes as string[], expiresSeconds: expiresSeconds === null ? undefined : expiresSeconds, fingerprint }; // prettier-ignore
}

async function askSignature(r: NginxHTTPRequest, check: SignatureCheck): Promise<SignatureResult> {
  const signature = Buffer.from(check.signature).toString('base64url');
  const question = { algorithm: check.algorithm, jwk: check.jwk, signedText: check.signedText, signature };
  const answer = await askSidecar(r, 'signature', question);
  if (answer === undefined || typeof answer['valid'] !== 'boolean') return 'unavailable';
  return answer['valid'] ? 'valid' : 'invalid';
}
