// What nginx knows and can do for a decision: sets of keys in shared memory, the sidecar, the verdict cache.

import { parseKeyId } from '../../auth/api_key.js';
import type { Decided, Gate, JwksRefresh } from '../../auth/decide.js';
import { decideRecord, type KeyRecord } from '../../auth/key_record.js';
import { filedText } from '../../auth/question.js';
import { encodeSubject } from '../../auth/subject.js';
import type { TrustedKeys } from '../../auth/token_verdict.js';
import { admit, refuse, type Principal, type Verdict } from '../../auth/verdict.js';
import { budgetOf } from './failure_limit.js';
import { findRecord, mayBeHashed, readKeySet, zoneOf, type KeySet, type KeyZone } from '../keys/key_set.js';
import type { Memory } from '../known.js';
import { knownOf, type Known } from '../known_admission.js';
import { fileName, recallEverywhere, rememberEverywhere, type LastFiled } from './verdict_cache.js';
import { NginxPlatform } from '../platform.js';
import { recallRefusal, rememberRefusal } from '../refused.js';
import type { NginxRequest } from './question.js';
import { refreshForUnknownKid } from '../keys/remote_jwks.js';
import { askSidecar, isObject, type Unverified } from '../sidecar/sidecar.js';
import { readGeneration } from '../keys/shared_state.js';
import { lacksJwks, readTrustedKeys } from '../keys/trusted_keys.js';
import { isQueueFull, noteQueue } from '../sidecar/queue.js';

/** The gate of one decision; everything it reads belongs to one generation. */
export class NginxGate implements Gate {
  readonly nowSeconds = Date.now() / 1000;
  readonly platform: NginxPlatform;
  /** Whether the sidecar judged by another set of keys than nginx: such a verdict counts once, in every cache. */
  isInDoubt = false;
  private readonly keySet: KeySet | undefined;
  private readonly r: NginxHTTPRequest;
  private readonly settings: string;
  private readonly lastFiled: LastFiled;
  /** Whether there was nothing under the text that was looked up last. */
  private readonly isMissed: boolean;

  constructor(
    request: NginxRequest,
    { asked, memory }: { asked: string; memory: Memory },
    public generation: string,
  ) {
    this.r = request.r;
    this.settings = request.joined;
    this.lastFiled = memory;
    this.isMissed = memory.missed === asked;
    this.keySet = readKeySet(generation);
    this.platform = new NginxPlatform(request.r);
  }

  /** The keys that may be looked up now. */
  keyZone(): KeyZone | undefined {
    return this.keySet !== undefined && this.keySet.available ? zoneOf(this.keySet.zone) : undefined;
  }

  hasKeys(): boolean {
    return this.keySet !== undefined && this.keySet.available;
  }

  findKey(digest: string): KeyRecord | undefined {
    return this.keySet === undefined ? undefined : findRecord(zoneOf(this.keySet.zone), digest);
  }

  mayBeHashed(credential: string): boolean {
    return this.keySet !== undefined && mayBeHashed(this.keySet, parseKeyId(credential));
  }

  async checkHashedKey(credential: string): Promise<Verdict> {
    if (budgetOf(this.r).isSpent()) return refuse('rate_limited');
    const namesEntry = parseKeyId(credential) !== ''; // the sidecar has another queue for such keys
    if (!namesEntry && isQueueFull()) return refuse('verifier_busy');
    const generation = this.keySet === undefined ? '' : this.keySet.generation;
    const answer = await askSidecar(this.r, 'verify', { credential, generation });
    const verdict = answer === undefined ? undefined : readVerdict(answer, this.nowSeconds);
    if (answer === undefined || verdict === undefined) return refuse('verifier_unavailable');
    if (!namesEntry) noteQueue(verdict, answer['queueFull'] === true);
    // A key that took too long to check; for nothing, it could keep every thread busy.
    if (answer['spends'] === true) budgetOf(this.r).spend();
    if (answer['generation'] !== generation) this.isInDoubt = true;
    return verdict;
  }

  trustedKeys(): TrustedKeys {
    return readTrustedKeys(this.generation);
  }

  lacksJwks(): boolean {
    return lacksJwks(this.generation);
  }

  async refreshJwks(): Promise<JwksRefresh> {
    const refreshed = await refreshForUnknownKid(this.r);
    this.generation = readGeneration() || this.generation; // the fetch has made another one
    return refreshed;
  }

  recall(credential: string, isToken: boolean): Verdict | undefined {
    const filed = filedText(this.settings, credential);
    const isMissed = this.isMissed && this.lastFiled.filed === filed;
    const known = isMissed ? undefined : recallEverywhere(filed, this.lastFiled);
    if (known !== undefined && known.generation === this.generation) return admit(principalOf(known));
    const reason = isToken ? undefined : recallRefusal(fileName(filed, this.lastFiled), this.generation);
    return reason === undefined ? undefined : refuse(reason);
  }

  remember({ credential, isToken, verdict }: Decided): void {
    if (this.isInDoubt) return;
    const filed = filedText(this.settings, credential);
    const name = fileName(filed, this.lastFiled);
    if (verdict.admitted) rememberEverywhere(name, knownOf(filed, verdict.principal, this.generation));
    else if (!isToken) rememberRefusal(name, verdict.reason, this.generation);
  }
}

function principalOf({ method, subject, issuer, expiresMs }: Known): Principal {
  return { method, subject, issuer, scopes: [], expiresSeconds: expiresMs / 1000, keyId: '' };
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
  const encoded = typeof subject === 'string' ? encodeSubject(subject) : undefined;
  if (encoded === undefined || typeof fingerprint !== 'string' || !Array.isArray(scopes)) return undefined;
  if (!scopes.every((scope) => typeof scope === 'string')) return undefined;
  if (expiresSeconds !== null && typeof expiresSeconds !== 'number') return undefined;
  return { subject: encoded, scopes: scopes as string[], expiresSeconds: expiresSeconds === null ? undefined : expiresSeconds, fingerprint }; // prettier-ignore
}
