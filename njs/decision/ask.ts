// The two entry points, auth_request and js_access: a question comes in, is decided (attempt.ts) and answered.

import type { CarriedValue } from '../../auth/identity_headers.js';
import { limitVariables } from '../../auth/limit_headers.js';
import { refuse } from '../../auth/verdict.js';
import { readGeneration } from '../keys/shared_state.js';
import { oneLine } from '../platform.js';
import { begin, levelOf, type Attempt } from './attempt.js';
import { noteRequest } from './audit.js';
import { countDecision } from './count_decision.js';
import { readAsked, subprotocolsFor, type QuestionSource, askedSource, ownSource } from './question.js';
import { carriedOf, charge, chargeLater, type Outcome, type PendingCharge, type RefusedOutcome } from './outcome.js';
import { sendClaims, sendPrincipal, sendVerdict, sendRefusal } from './refusal.js';
import { recallHere } from './verdict_cache.js';
import { isRequestId } from '../../auth/request_id.js';

/** Sends the answer; called once for each request. */
type Answer = (r: NginxHTTPRequest, outcome: Outcome, subprotocols: string) => void;

/** js_content of the decision server: answers the question that a guarded location's auth_request asks. */
export function ask(r: NginxHTTPRequest): Promise<void> | void {
  return decideAndAnswer(r, askedSource, sendOutcome);
}

// 204 admits, 401 and 403 refuse (rules 2 and 4 in docs/nginx-traps.md). js_content begins with a 500, so a failure
// here admits no request.
function sendOutcome(r: NginxHTTPRequest, outcome: Outcome, subprotocols: string): void {
  if (outcome.principal !== undefined) sendPrincipal(r, carriedOf(outcome), outcome.principal);
  if (outcome.admitted !== true) return sendVerdict(r, outcome);
  const headersOut = r.headersOut;
  const { claims } = outcome.principal;
  if (claims !== undefined) sendClaims(r, claims);
  headersOut['X-Keygate-Admitted'] = outcome.principal.method || 'preflight';
  if (outcome.limit !== undefined) headersOut['X-Keygate-Limit'] = outcome.limit;
  if (subprotocols !== '') headersOut['X-Keygate-Subprotocols'] = subprotocols;
  r.return(204);
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

function declineOrRefuse(r: NginxHTTPRequest, outcome: Outcome, subprotocols: string): void {
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
    sendRefusal(r, outcome, variables.keygate_page_origin || '');
    return;
  }
  const { claims } = outcome.principal;
  if (claims !== undefined)
    Object.keys(claims).forEach((variable) => (variables[variable as 'keygate_claim_'] = claims[variable]));
  variables.keygate_admitted = outcome.principal.method || 'preflight';
  if (words.length > 0) variables.keygate_limit_dialect = words[0]; // a refusal has its headers already
  if (subprotocols !== '') variables.keygate_subprotocols = subprotocols;
  r.decline();
}

/** Decides about a request and answers it, without a promise where nothing must be asked. */
export function decideAndAnswer(r: NginxHTTPRequest, source: QuestionSource, answer: Answer): void | Promise<void> {
  let outcome: Outcome | Promise<Outcome> | PendingCharge;
  let attempt: RefusedOutcome | Attempt | undefined;
  let subprotocols = '';
  try {
    const variables = r.variables; // each `r.variables` makes an object
    const asked = readAsked(variables, source);
    subprotocols = subprotocolsFor(asked);
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
  if (!('admitted' in outcome)) return answerLater({ r, source, answer, attempt, subprotocols }, outcome);
  answer(r, outcome, subprotocols);
  countDecision(outcome, levelOf(attempt), 0);
}

interface Answering {
  r: NginxHTTPRequest;
  source: QuestionSource;
  answer: Answer;
  /** Undefined where this context knew the verdict. */
  attempt: RefusedOutcome | Attempt | undefined;
  /** See subprotocolsFor. */
  subprotocols: string;
}

async function answerLater(asking: Answering, waiting: Promise<Outcome> | PendingCharge): Promise<void> {
  const { r, source, answer, attempt, subprotocols } = asking;
  const startedMs = Date.now();
  let outcome: Outcome;
  try {
    outcome = await ('ask' in waiting ? chargeLater(r, waiting, source) : waiting);
  } catch (e) {
    outcome = noDecision(r, source.requestId(r.variables) || '', e);
  }
  answer(r, outcome, subprotocols);
  countDecision(outcome, levelOf(attempt), Math.max(0, Date.now() - startedMs));
}

function noDecision(r: NginxHTTPRequest, requestId: string, e: unknown): Outcome {
  r.error(`keygate: no decision (request id ${requestId}): ${oneLine(e)}`);
  return refuse('internal_error');
}
