// What a decision ends in: a verdict, and for a principal with a limit what became of the request's charge. A request
// is charged once, however often nginx asks about it: a redirect inside nginx asks again.

import type { AnswerDetails } from '../../auth/answer.js';
import { formatLimit, type LimitValues } from '../../auth/limit_headers.js';
import { refusePrincipal, type Admitted, type Refused } from '../../auth/verdict.js';
import { chargeRequest } from '../limits/principal_limit.js';
import type { QuestionSource } from './question.js';

/** The verdict on a request, and the details for its answer. */
export type Outcome = AdmittedOutcome | RefusedOutcome;

export interface AdmittedOutcome extends Admitted {
  /** Where the principal has a limit. */
  limit?: LimitValues;
}

export interface RefusedOutcome extends Refused, AnswerDetails {
  /** Where the principal's limit is spent. */
  limit?: LimitValues;
}

/** Charges an admitted request to its principal, where the principal has a limit. */
export function charge(admitted: Admitted, variables: NginxVariables, source: QuestionSource): Outcome {
  const { principal } = admitted;
  if (principal.limit === null) return admitted;
  const charged = source.charged(variables);
  if (charged) return { admitted: true, principal, limit: parseCharged(charged) };
  const charge = chargeRequest(principal);
  if (charge === undefined) return refusePrincipal('limits_unavailable', principal);
  const { isAdmitted, state } = charge;
  const limit = formatLimit(state, source.wholeTarget(variables) || '', Date.now());
  if (isAdmitted) return { admitted: true, principal, limit };
  return { admitted: false, reason: 'key_rate_limited', principal, limit, retryAfterMs: state.retryAfterMs };
}

// `$keygate_charged` in nginx/snippets/asking.conf.
function parseCharged(text: string): LimitValues {
  const [dialect = '', limit = '', remaining = '', reset = ''] = text.split(' ');
  return { dialect: dialect === 'anthropic' ? dialect : 'openai', limit, remaining, reset };
}
