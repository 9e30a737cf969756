// One request's way to an outcome when its credential is not known yet: gathers what the decision looks at, decides,
// and remembers. Whatever goes wrong on the way refuses.

import { decide, type RequestFacts } from '../auth/decide.js';
import { parseLocationSettings, type LocationSettings } from '../auth/location_settings.js';
import { isPlain, parseQuestion } from '../auth/question.js';
import { refusals, type Reason } from '../auth/refusals.js';
import { refuse, type Verdict } from '../auth/verdict.js';
import { budgetOf } from './budget.js';
import { credentialHeaders } from './credential_headers.js';
import { NginxGate } from './gate.js';
import type { rememberHere } from './known_here.js';
import { isOvertaken, maxAttempts } from './one_generation.js';
import { oneLine } from './one_line.js';
import type { Outcome } from './outcome.js';
import { isDoubled, isPreflight, readTarget } from './request.js';
import { readGeneration } from './state.js';

/**
 * Decides about a request, at once where that takes no signature and no sidecar; never throws.
 * @param asked `$keygate_question`
 * @param remember of the context's cache, for admissions that the question alone explains
 */
export function judge(
  r: NginxHTTPRequest,
  asked: string,
  remember: typeof rememberHere,
): Outcome | Promise<Outcome> {
  try {
    return judgeOrThrow(r, asked, remember);
  } catch (e) {
    return fault(r, e);
  }
}

function fault(r: NginxHTTPRequest, e: unknown): Outcome {
  r.error('keygate: no decision: ' + oneLine(e));
  return refuse('internal_error');
}

function judgeOrThrow(
  r: NginxHTTPRequest,
  asked: string,
  remember: typeof rememberHere,
): Outcome | Promise<Outcome> {
  const question = parseQuestion(asked, credentialHeaders(r.variables));
  const settings = settingsOf(question.settings);
  if ('fault' in settings) return notConfigured(r, settings.fault);
  if (!question.isArmed) return notConfigured(r, 'include keygate/location.conf in this very location');
  const request = {
    headers: question.headers,
    unusualTarget: question.isUsualTarget ? undefined : readTarget(r),
    settings,
    isPreflight: () => isPreflight(r),
    isDoubled: () => isDoubled(r),
  };
  return decideNow(r, request, { asked, joined: question.settings, settings, remember, attempts: 1 });
}

interface Asking {
  asked: string;
  joined: string;
  settings: LocationSettings;
  remember: typeof rememberHere;
  attempts: number;
}

function decideNow(r: NginxHTTPRequest, request: RequestFacts, asking: Asking): Outcome | Promise<Outcome> {
  const generation = readGeneration();
  if (generation === undefined) return refuse('keys_unavailable');
  const gate = new NginxGate(r, asking.joined, generation);
  const verdict = decide(request, gate);
  return 'admitted' in verdict
    ? settle(r, request, { verdict, gate, asking })
    : verdict.then(
        (late) => settleLate(r, request, { verdict: late, gate, asking }),
        (e) => fault(r, e),
      );
}

function notConfigured(r: NginxHTTPRequest, why: string): Outcome {
  r.error('keygate: location_not_configured: ' + why);
  return refuse('location_not_configured');
}

// Parsed once per context and location: settings are few.
const parsed: { [joined: string]: ReturnType<typeof parseLocationSettings> } = Object.create(null) as never;
const count = { parsed: 0 };
const maxParsed = 64;

function settingsOf(joined: string): ReturnType<typeof parseLocationSettings> {
  const known = parsed[joined];
  if (known !== undefined) return known;
  const settings = parseLocationSettings(joined);
  if (count.parsed < maxParsed) {
    parsed[joined] = settings;
    count.parsed++;
  }
  return settings;
}

interface Reached {
  verdict: Verdict;
  gate: NginxGate;
  asking: Asking;
}

function settleLate(
  r: NginxHTTPRequest,
  request: RequestFacts,
  reached: Reached,
): Outcome | Promise<Outcome> {
  try {
    return settle(r, request, reached);
  } catch (e) {
    return fault(r, e);
  }
}

function settle(r: NginxHTTPRequest, request: RequestFacts, reached: Reached): Outcome | Promise<Outcome> {
  const { verdict, gate, asking } = reached;
  if (isOvertaken(verdict, gate.generation)) {
    if (asking.attempts < maxAttempts)
      return decideNow(r, request, Object.assign({}, asking, { attempts: asking.attempts + 1 }));
    gate.isInDoubt = true;
  }
  const { asked, settings, remember } = asking;
  if (verdict.admitted) {
    const { principal } = verdict;
    const mayStay = isPlain(asked) && principal.method !== '' && !gate.isInDoubt;
    if (mayStay) remember(asked, principal, gate.generation);
    return verdict;
  }
  const { reason } = verdict;
  if (!failsCredential(reason) && reason !== 'rate_limited')
    return { admitted: false, reason, requiredScope: settings.requiredScope };
  const budget = budgetOf(r);
  const isSpent = reason === 'rate_limited' || !budget.spend();
  if (!isSpent) return verdict;
  return { admitted: false, reason: 'rate_limited', retryAfterSeconds: budget.retryAfterSeconds() };
}

// A wrong credential counts against its sender; none at all does not.
function failsCredential(reason: Reason): boolean {
  return (
    refusals[reason].status === 401 && reason !== 'missing_credential' && reason !== 'unsupported_scheme'
  );
}
