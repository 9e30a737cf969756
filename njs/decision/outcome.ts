// What a decision ends in: a verdict, and for a principal with a limit what became of the request's charge. A request
// is charged once, however often nginx asks about it: a redirect inside nginx asks again.

import type { AnswerDetails } from '../../auth/answer.js';
import type { LocationSettings } from '../../auth/location_settings.js';
import { formatLimit } from '../../auth/limit_headers.js';
import { retryAfterMs } from '../../auth/rate_limit.js';
import { carriedForAudit, carriedOfAdmitted, type CarriedValue } from '../../auth/identity_headers.js';
import { lackingScopes, refusePrincipal, type Admitted, type Refused } from '../../auth/verdict.js';
import type { Reason } from '../../auth/refusals.js';
import type { FailureLimit } from '../limits/failure_limit.js';
import type { Taken } from '../limits/bucket.js';
import type { Ask } from '../limits/lease.js';
import { chargeRequest, chargeStore } from '../limits/principal_limit.js';
import type { QuestionSource } from './question.js';

/** The verdict on a request, and the details for its answer. */
export type Outcome = AdmittedOutcome | RefusedOutcome;

export interface AdmittedOutcome extends Admitted {
  /** The limit's state (formatLimit), where the principal has one. */
  limit?: string;
}

export interface RefusedOutcome extends Refused, AnswerDetails {
  /** The limit's state (formatLimit), where it is spent. */
  limit?: string;
}

/** A charge about which the store of a cluster must be asked. */
export interface PendingCharge {
  verdict: Admitted;
  ask: Ask;
}

// Filled anew for each request: engines take longer to make an object than to fill it.
const charged: AdmittedOutcome & { limit: string } = { admitted: true, principal: undefined as never, limit: '' };

/**
 * Charges an admitted request to its principal, where the principal has a limit.
 * @returns an outcome that the next call may fill anew, or what chargeLater needs
 */
export function charge(admitted: Admitted, variables: NginxVariables, source: QuestionSource): Outcome | PendingCharge {
  const { principal } = admitted;
  const { limit, budget } = principal;
  if (limit === null) return admitted;
  charged.principal = principal;
  charged.limit = source.charged(variables) || '';
  if (charged.limit !== '') return charged;
  const taken = chargeRequest(budget, limit, variables);
  if (taken === undefined) return refusePrincipal('limits_unavailable', principal);
  return 'want' in taken ? { verdict: admitted, ask: taken } : outcomeOf(taken, variables, source);
}

/** Charges a request that `charge` could not. */
export async function chargeLater(
  r: NginxHTTPRequest,
  { verdict, ask }: PendingCharge,
  source: QuestionSource,
): Promise<Outcome> {
  const { principal } = verdict;
  const taken = await chargeStore(r, ask);
  if (taken === undefined) return refusePrincipal('limits_unavailable', principal);
  charged.principal = principal;
  return keepOutcome(outcomeOf(taken, r.variables, source));
}

/** Copies an outcome that has to outlast a wait: meanwhile another request fills the outcome of `charge` anew. */
export function keepOutcome(outcome: Outcome): Outcome {
  return outcome === charged ? Object.assign({}, charged) : outcome;
}

function outcomeOf(taken: Taken, variables: NginxVariables, source: QuestionSource): Outcome {
  const { principal } = charged;
  charged.limit = formatLimit(taken, source.wholeTarget(variables) || '', Date.now());
  if (taken.isAdmitted) return charged;
  const waitMs = retryAfterMs(taken.limit, taken.pendingMs);
  return { admitted: false, reason: 'key_rate_limited', principal, limit: charged.limit, retryAfterMs: waitMs };
}

/** Adds what the challenge of a refusal says beside the reason. */
export function withDetails({ reason, principal }: Refused, settings: LocationSettings): RefusedOutcome {
  const { requiredScope, requiredScopes, metadataUrl } = settings;
  const isLacking = reason === 'insufficient_scope' && principal !== undefined;
  const lackingScope = isLacking ? lackingScopes(principal.scopes, requiredScopes).join(' ') : '';
  return { admitted: false, reason, principal, requiredScope, lackingScope, metadataUrl };
}

/** What an answer carries of the principal of an outcome. */
export function carriedOf(outcome: Outcome): CarriedValue[] {
  return outcome.admitted ? carriedOfAdmitted : carriedForAudit;
}

/** Refuses a request whose sender has sent too many wrong credentials. */
export function refuseSpent({ principal }: Refused, reason: Reason, limit: FailureLimit): Outcome {
  return { admitted: false, reason, principal, retryAfterMs: limit.retryAfterMs() };
}
