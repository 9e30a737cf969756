// The two entry points, auth_request and js_access, and the decision between question and answer. A verdict belongs to
// one generation of keys. When the keys change while a request waits for the sidecar or a JWKS, the request is decided
// again, since the zone with its keys may have been cleared.

import { decide } from '../../auth/decide.js';
import { refusals, type Reason } from '../../auth/refusals.js';
import { carriedOfAdmitted, carriedForAudit, type CarriedValue } from '../../auth/identity_headers.js';
import { limitVariables } from '../../auth/limit_headers.js';
import { refuse, type Refused, type Verdict } from '../../auth/verdict.js';
import type { CacheLevel } from '../../monitoring/buckets.js';
import { readGeneration, maxPolls, mayWait, pause, pollEveryMs } from '../keys/shared_state.js';
import { oneLine } from '../platform.js';
import { failureLimit, isFailure, type FailureLimit, type Spent } from '../limits/failure_limit.js';
import { noteRequest } from './audit.js';
import { countDecision } from './count_decision.js';
import { NginxGate } from './gate.js';
import {
  parseSettings,
  Question,
  readAsked,
  type Asked,
  type QuestionSource,
  askedSource,
  ownSource,
} from './question.js';
import { charge, chargeLater, keepOutcome, type Outcome, type PendingCharge, type RefusedOutcome } from './outcome.js';
import { sendPrincipal, sendVerdict, sendRefusal } from './refusal.js';
import { recallHere } from './verdict_cache.js';
import { isRequestId } from '../../auth/request_id.js';

/** Sends the answer; called once for each request. */
type Answer = (r: NginxHTTPRequest, outcome: Outcome) => void;

const maxAttempts = 3;

/** js_content of the decision server: answers the question that a guarded location's auth_request asks. */
export function ask(r: NginxHTTPRequest): Promise<void> | void {
  return decideAndAnswer(r, askedSource, sendOutcome);
}

// 204 admits, 401 and 403 refuse (rules 2 and 4 in docs/nginx-traps.md). js_content begins with a 500, so a failure
// here admits no request.
function sendOutcome(r: NginxHTTPRequest, outcome: Outcome): void {
  if (outcome.principal !== undefined) sendPrincipal(r, carriedOf(outcome), outcome.principal);
  if (outcome.admitted !== true) return sendVerdict(r, outcome);
  const headersOut = r.headersOut;
  headersOut['X-Keygate-Admitted'] = outcome.principal.method || 'preflight';
  if (outcome.limit !== undefined) headersOut['X-Keygate-Limit'] = outcome.limit;
  r.return(204);
}

function carriedOf(outcome: Outcome): CarriedValue[] {
  return outcome.admitted ? carriedOfAdmitted : carriedForAudit;
}

/**
 * js_access of a guarded location (nginx/snippets/guard_access.conf). nginx admits every request that this handler does
 * not refuse, even when the handler never ends. So the handler refuses first, and only `r.decline()` admits (rule 1).
 */
export function access(r: NginxHTTPRequest): Promise<void> | void {
  r.return(500);
  const variables = r.variables;
  noteRequest(r, variables);
  const clientsId = variables.http_x_request_id;
  if (clientsId && isRequestId(clientsId)) variables.keygate_client_request_id = clientsId;
  return decideAndAnswer(r, ownSource, declineOrRefuse);
}

function declineOrRefuse(r: NginxHTTPRequest, outcome: Outcome): void {
  const variables = r.variables;
  const { principal } = outcome;
  const rows = carriedOf(outcome);
  for (let i = 0; principal !== undefined && i < rows.length; i++) {
    const { variable, read } = rows[i] as CarriedValue;
    const value = read(principal);
    if (value !== '') variables[variable] = value;
  }
  const words = outcome.limit === undefined ? [] : outcome.limit.split(' ');
  for (let i = 1; i < words.length; i++) variables[limitVariables[i] as 'keygate_limit'] = words[i];
  if (outcome.admitted !== true) {
    variables.keygate_reason = outcome.reason;
    sendRefusal(r, outcome);
    return;
  }
  variables.keygate_admitted = outcome.principal.method || 'preflight';
  if (words.length > 0) variables.keygate_limit_dialect = words[0]; // a refusal has its headers already
  r.decline();
}

/** Decides about a request and answers it, without a promise where nothing must be asked. */
export function decideAndAnswer(r: NginxHTTPRequest, source: QuestionSource, answer: Answer): void | Promise<void> {
  let outcome: Outcome | Promise<Outcome> | PendingCharge;
  let attempt: RefusedOutcome | Attempt | undefined;
  try {
    const variables = r.variables; // each `r.variables` makes an object
    const asked = readAsked(variables, source);
    const remembered = recallHere(asked, readGeneration());
    if (remembered !== undefined) {
      outcome = charge(remembered, variables, source);
    } else {
      attempt = begin(asked, { r, variables, source });
      outcome = 'reason' in attempt ? attempt : attempt.decide();
    }
  } catch (e) {
    outcome = noDecision(r, source.requestId(r.variables) || '', e);
  }
  if (!('admitted' in outcome)) return answerLater({ r, source, answer, attempt }, outcome);
  answer(r, outcome);
  countDecision(outcome, levelOf(attempt), 0);
}

interface Answering {
  r: NginxHTTPRequest;
  source: QuestionSource;
  answer: Answer;
  /** Undefined where this context knew the verdict. */
  attempt: RefusedOutcome | Attempt | undefined;
}

async function answerLater(asking: Answering, waiting: Promise<Outcome> | PendingCharge): Promise<void> {
  const { r, source, answer, attempt } = asking;
  const startedMs = Date.now();
  let outcome: Outcome;
  try {
    outcome = await ('ask' in waiting ? chargeLater(r, waiting, source) : waiting);
  } catch (e) {
    outcome = noDecision(r, source.requestId(r.variables) || '', e);
  }
  answer(r, outcome);
  countDecision(outcome, levelOf(attempt), Math.max(0, Date.now() - startedMs));
}

/** Which cache knew the verdict. */
function levelOf(attempt: RefusedOutcome | Attempt | undefined): CacheLevel {
  if (attempt === undefined) return 'context';
  return 'reason' in attempt ? 'none' : attempt.level();
}

function noDecision(r: NginxHTTPRequest, requestId: string, e: unknown): Outcome {
  r.error(`keygate: no decision (request id ${requestId}): ${oneLine(e)}`);
  return refuse('internal_error');
}

interface Asking {
  r: NginxHTTPRequest;
  variables: NginxVariables;
  source: QuestionSource;
}

function begin(asked: Asked, { r, variables, source }: Asking): RefusedOutcome | Attempt {
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
class Attempt {
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
    const waits = mayWait(Date.now());
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
    const { reason, principal } = refused;
    const { requiredScope } = question.settings;
    if (!isFailure(reason) && reason !== 'rate_limited') return { admitted: false, reason, principal, requiredScope };
    const limit = failureLimit(question.r, question.client());
    if (reason === 'rate_limited') return refuseSpent(refused, reason, limit);
    const spent = limit.spend();
    if (typeof spent === 'object') return refuseLater(refused, spent, limit);
    return spent === undefined ? refused : refuseSpent(refused, spent, limit);
  }
}

async function refuseLater(refused: Refused, spending: Promise<Spent>, limit: FailureLimit): Promise<Outcome> {
  const spent = await spending;
  return spent === undefined ? refused : refuseSpent(refused, spent, limit);
}

function refuseSpent({ principal }: Refused, reason: Reason, limit: FailureLimit): Outcome {
  return { admitted: false, reason, principal, retryAfterMs: limit.retryAfterMs() };
}

// A failure of ours is not decided again: after a wait of up to 2 s, a second wait would not help.
function haveKeysChanged(verdict: Verdict, generation: string): boolean {
  const isOurFailure = !verdict.admitted && refusals()[verdict.reason].status >= 500;
  return !isOurFailure && readGeneration() !== generation;
}
