// What a refusal costs its sender: a wrong credential counts against RATE_LIMIT_AUTH, none at all does not.

import type { LocationSettings } from '../auth/location_settings.js';
import { refusals, type Reason } from '../auth/refusals.js';
import { refuse } from '../auth/verdict.js';
import { budgetOf } from './decision/failure_limit.js';
import type { Outcome } from './outcome.js';

/** The refusal of a request, or that of a sender who has failed too often. */
export function charge(
  reason: Reason,
  { r, settings }: { r: NginxHTTPRequest; settings: LocationSettings },
): Outcome {
  if (!failsCredential(reason) && reason !== 'rate_limited')
    return { admitted: false, reason, requiredScope: settings.requiredScope };
  const budget = budgetOf(r);
  const isSpent = reason === 'rate_limited' || !budget.spend();
  if (!isSpent) return refuse(reason);
  return { admitted: false, reason: 'rate_limited', retryAfterSeconds: budget.retryAfterSeconds() };
}

function failsCredential(reason: Reason): boolean {
  return (
    refusals[reason].status === 401 && reason !== 'missing_credential' && reason !== 'unsupported_scheme'
  );
}
