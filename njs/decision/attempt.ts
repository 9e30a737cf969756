// The decision between question and answer. A verdict belongs to one generation of keys. When the keys change while a
// request waits for the sidecar or a JWKS, the request is decided again, since the zone with its keys may have been
// cleared.

import { decide } from '../../auth/decide.js';
import { refusals } from '../../auth/refusals.js';
import { refuse, type Refused, type Verdict } from '../../auth/verdict.js';
import type { CacheLevel } from '../../monitoring/buckets.js';
import { readGeneration, maxPolls, mayWait, pause, pollEveryMs } from '../keys/shared_state.js';
import { failureLimit, isFailure, type FailureLimit, type Spent } from '../limits/failure_limit.js';
import { NginxGate } from './gate.js';
import {
  charge,
  chargeLater,
  keepOutcome,
  refuseSpent,
  withDetails,
  type Outcome,
  type RefusedOutcome,
} from './outcome.js';
import { parseSettings, Question, type Asked, type QuestionSource } from './question.js';

const maxAttempts = 3;

interface Asking {
  r: NginxHTTPRequest;
  variables: NginxVariables;
  source: QuestionSource;
}

/**
 * Begins a decision.
 * @returns a refusal where the settings of the location can't be used
 */
export function begin(asked: Asked, { r, variables, source }: Asking): RefusedOutcome | Attempt {
  const settings = parseSettings(asked.settings, variables);
  if ('fault' in settings) {
    const id = source.requestId(variables);
    r.error(`keygate: location_not_configured (request id ${id}): ${settings.fault}`);
    return refuse('location_not_configured');
  }
  return new Attempt(new Question(r, asked, { source, settings }));
}

/**
 * A request until its outcome: an object with methods, here and in the code that it calls. To make a function for each
 * request would take QuickJS longer than a step of the decision.
 */
export class Attempt {
  private number = 0;
  private gate: NginxGate | undefined;

  constructor(private readonly question: Question) {}

  decide(): Outcome | Promise<Outcome> {
    const isEarly = readGeneration() === undefined;
    const verdict = isEarly ? this.reachOnceThereAreKeys() : this.reach();
    return 'admitted' in verdict ? this.settle(verdict) : this.settleLater(verdict);
  }

  private reach(): Verdict | Promise<Verdict> {
    const generation = readGeneration();
    if (generation === undefined) return refuse('keys_unavailable');
    this.number++;
    this.gate = new NginxGate(this.question, generation);
    return decide(this.question, this.gate);
  }

  // Shared memory is empty after a start and with a new binary (USR2). The request waits, since the files are read for
  // the first time within milliseconds.
  private async reachOnceThereAreKeys(): Promise<Verdict> {
    const waits = mayWait('start', Date.now());
    for (let i = 0; waits && readGeneration() === undefined && i < maxPolls; i++) await pause(pollEveryMs);
    return this.reach();
  }

  private async settleLater(waiting: Promise<Verdict>): Promise<Outcome> {
    const verdict = await waiting;
    const settled = this.settle(verdict);
    return 'admitted' in settled ? keepOutcome(settled) : settled;
  }

  /** Which cache knew the verdict. */
  level(): CacheLevel {
    return this.gate !== undefined && this.gate.isRecalled ? 'shared' : 'none';
  }

  private settle(verdict: Verdict): Outcome | Promise<Outcome> {
    const { gate, number } = this;
    const isOver = gate === undefined || number >= maxAttempts || !haveKeysChanged(verdict, gate.generation);
    if (!isOver) return this.decide();
    if (!verdict.admitted) return this.refusal(verdict);
    const { r, source } = this.question;
    const charged = charge(verdict, r.variables, source);
    return 'ask' in charged ? chargeLater(r, charged, source) : charged;
  }

  // A wrong credential counts against its sender's limit; once the limit is spent, the sender gets `rate_limited`.
  private refusal(refused: Refused): Outcome | Promise<Outcome> {
    const { question } = this;
    const { reason } = refused;
    const outcome = withDetails(refused, question.settings);
    if (!isFailure(reason) && reason !== 'rate_limited') return outcome;
    const limit = failureLimit(question.r, question.client());
    if (reason === 'rate_limited') return refuseSpent(refused, reason, limit);
    const spent = limit.spend();
    if (typeof spent === 'object') return refuseLater(outcome, spent, limit);
    return spent === undefined ? outcome : refuseSpent(refused, spent, limit);
  }
}

async function refuseLater(refused: RefusedOutcome, spending: Promise<Spent>, limit: FailureLimit): Promise<Outcome> {
  const spent = await spending;
  return spent === undefined ? refused : refuseSpent(refused, spent, limit);
}

// A failure of ours is not decided again: after a wait of up to 2 s, a second wait would not help.
function haveKeysChanged(verdict: Verdict, generation: string): boolean {
  const isOurFailure = !verdict.admitted && refusals()[verdict.reason].status >= 500;
  return !isOurFailure && readGeneration() !== generation;
}

/** Which cache knew the verdict. */
export function levelOf(attempt: RefusedOutcome | Attempt | undefined): CacheLevel {
  if (attempt === undefined) return 'context';
  return 'reason' in attempt ? 'none' : attempt.level();
}
