// What a decision gets from nginx: sets of keys in shared memory, answers of the sidecar, the verdict cache.

import { parseKeyId } from '../../auth/credential.js';
import type { Decided, Gate, JwksRefresh } from '../../auth/decide.js';
import type { UnverifiedObject } from '../../auth/json.js';
import { decideRecord, principalOf, readRecord, type KeyRecord } from '../../auth/key_record.js';
import { isReason } from '../../auth/refusals.js';
import type { TrustedKeys } from '../../auth/token_verdict.js';
import { refuse, refusePrincipal, type Verdict } from '../../auth/verdict.js';
import { findRecord, mayBeHashed, readKeySet, type KeySet } from '../keys/key_set.js';
import { refreshForUnknownKid } from '../keys/remote_jwks.js';
import { readGeneration } from '../keys/shared_state.js';
import { sourceOf } from '../keys/stored_providers.js';
import { readTrustedKeys } from '../keys/trusted_keys.js';
import { NginxPlatform } from '../platform.js';
import { isQueueFull, noteQueue, askSidecar } from '../sidecar.js';
import { failureLimit } from '../limits/failure_limit.js';
import type { Question } from './question.js';
import { recallShared, rememberHere, rememberShared, sharedName } from './verdict_cache.js';

/** The gate of one attempt at a decision; everything it reads belongs to one generation of keys. */
export class NginxGate implements Gate {
  readonly nowSeconds = Date.now() / 1000;
  private readonly keySet: KeySet | undefined;
  private name = '';
  /** Whether the sidecar judged by other keys than nginx: such a verdict counts for this request and is not cached. */
  private isUncertain = false;
  /** Whether shared memory had the verdict. */
  isRecalled = false;

  constructor(
    private readonly question: Question,
    public generation: string,
  ) {
    this.keySet = readKeySet(generation);
  }

  get platform(): NginxPlatform {
    return new NginxPlatform(this.question.r);
  }

  hasKeys(): boolean {
    return this.keySet !== undefined && this.keySet.available;
  }

  findKey(hash: string): KeyRecord | undefined {
    return this.keySet === undefined ? undefined : findRecord(this.keySet, hash);
  }

  mayBeHashed(credential: string): boolean {
    return this.keySet !== undefined && mayBeHashed(this.keySet, parseKeyId(credential));
  }

  async checkHashedKey(credential: string): Promise<Verdict> {
    const { r } = this.question;
    const limit = failureLimit(r, this.question.client());
    const spent = await limit.check();
    if (spent !== undefined) return refuse(spent);
    const namesEntry = parseKeyId(credential) !== ''; // the sidecar has another queue for keys with an id
    if (!namesEntry && isQueueFull()) return refuse('verifier_busy');
    const generation = this.keySet === undefined ? '' : this.keySet.generation;
    const answer = await askSidecar(r, 'verify', { credential, generation });
    const verdict = answer === undefined ? undefined : readVerdict(answer, this.nowSeconds);
    if (answer === undefined || verdict === undefined) return refuse('verifier_unavailable');
    if (!namesEntry) noteQueue(verdict, answer['queueFull'] === true);
    // The key took too long to check: if such a key did not count, a client could keep every thread busy.
    if (answer['spends'] === true) await limit.spend();
    if (answer['generation'] !== generation) this.isUncertain = true;
    return verdict;
  }

  trustedKeys(): TrustedKeys {
    return readTrustedKeys(this.generation);
  }

  async refreshJwks(provider: string | undefined): Promise<JwksRefresh> {
    const refreshed = await refreshForUnknownKid(provider === undefined ? 'remote' : sourceOf(provider));
    this.generation = readGeneration() || this.generation; // the fetch has made another generation
    return refreshed;
  }

  recall(credential: string): Verdict | undefined {
    const verdict = recallShared(this.nameOf(credential), this.generation);
    if (verdict === undefined) return undefined;
    this.isRecalled = true;
    rememberHere(this.question.asked, verdict, this.generation);
    return verdict;
  }

  remember(decided: Decided): void {
    if (this.isUncertain || readGeneration() !== this.generation) return;
    rememberHere(this.question.asked, decided.verdict, this.generation);
    if (decided.cost !== 'nothing') rememberShared(this.nameOf(decided.credential), decided, this.generation);
  }

  private nameOf(credential: string): string {
    if (this.name === '') this.name = sharedName(this.question.asked, credential);
    return this.name;
  }
}

function readVerdict(answer: UnverifiedObject, nowSeconds: number): Verdict | undefined {
  const { admitted, entry, reason } = answer;
  const record = readRecord(entry);
  if (admitted === true) return record === undefined ? undefined : decideRecord(record, nowSeconds);
  if (admitted !== false || !isReason(reason)) return undefined;
  return record === undefined ? refuse(reason) : refusePrincipal(reason, principalOf(record));
}
