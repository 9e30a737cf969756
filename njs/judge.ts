// One request's way to an outcome when its credential is not known yet: gathers what the decision looks at, decides,
// and remembers. Whatever goes wrong on the way refuses.
//
// No function is made for a request, here and in what it calls: QuickJS takes longer for that than for a step of the
// decision. What belongs to a request is in objects with methods.

import { decide } from '../auth/decide.js';
import { parseLocationSettings } from '../auth/location_settings.js';
import { beginningOf, isPlain, parseQuestion, plainBeginning } from '../auth/question.js';
import { refusals, type Reason } from '../auth/refusals.js';
import { refuse, type Principal, type Verdict } from '../auth/verdict.js';
import { budgetOf } from './budget.js';
import { credentialHeaders } from './credential_headers.js';
import { NginxGate } from './gate.js';
import type { Memory } from './known.js';
import { knownOf } from './known_admission.js';
import { fileName, rememberEverywhere } from './known_everywhere.js';
import { isOvertaken, maxAttempts } from './one_generation.js';
import { oneLine } from './one_line.js';
import type { Outcome } from './outcome.js';
import { NginxRequest, readTarget } from './request.js';
import { readGeneration } from './state.js';

export interface Judging {
  /** `$keygate_question`. */
  asked: string;
  memory: Memory;
  /** Called once, with whatever comes of the request. */
  answer: (r: NginxHTTPRequest, outcome: Outcome) => void;
}

/** Decides about a request and has it answered, at once where that takes no signature and no sidecar. */
export function judge(r: NginxHTTPRequest, judging: Judging): void | Promise<void> {
  let outcome: Outcome | Promise<void>;
  try {
    outcome = judgeOrThrow(r, judging);
  } catch (e) {
    outcome = fault(r, e);
  }
  if (!('admitted' in outcome)) return outcome;
  judging.answer(r, outcome);
}

function fault(r: NginxHTTPRequest, e: unknown): Outcome {
  r.error('keygate: no decision: ' + oneLine(e));
  return refuse('internal_error');
}

function judgeOrThrow(r: NginxHTTPRequest, judging: Judging): Outcome | Promise<void> {
  const question = parseQuestion(judging.asked, credentialHeaders(r.variables));
  const settings = settingsOf(question.settings);
  if ('fault' in settings) return notConfigured(r, settings.fault);
  if (!question.isArmed) return notConfigured(r, 'include keygate/location.conf in this very location');
  const target = question.isUsualTarget ? undefined : readTarget(r);
  const request = new NginxRequest(r, question.headers, { target, settings, joined: question.settings });
  return decideNow(request, judging, 1);
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

function decideNow(request: NginxRequest, judging: Judging, attempt: number): Outcome | Promise<void> {
  const generation = readGeneration();
  if (generation === undefined) return refuse('keys_unavailable');
  const gate = new NginxGate(request, judging, generation);
  const verdict = decide(request, gate);
  const reached = { request, judging, gate, attempt };
  return 'admitted' in verdict ? settle(verdict, reached) : decideLate(verdict, reached);
}

interface Reached {
  request: NginxRequest;
  judging: Judging;
  gate: NginxGate;
  attempt: number;
}

async function decideLate(deciding: Promise<Verdict>, reached: Reached): Promise<void> {
  const { r } = reached.request;
  let outcome: Outcome | Promise<void>;
  try {
    const verdict = await deciding;
    outcome = settle(verdict, reached);
  } catch (e) {
    outcome = fault(r, e);
  }
  if (!('admitted' in outcome)) return outcome;
  reached.judging.answer(r, outcome);
}

function settle(verdict: Verdict, reached: Reached): Outcome | Promise<void> {
  const { request, judging, gate, attempt } = reached;
  if (isOvertaken(verdict, gate.generation)) {
    if (attempt < maxAttempts) return decideNow(request, judging, attempt + 1);
    gate.isInDoubt = true;
  }
  if (!verdict.admitted) return chargeFor(verdict.reason, request);
  const { principal } = verdict;
  if (isPlain(judging.asked) && principal.method !== '' && !gate.isInDoubt) keepHere(principal, reached);
  return verdict;
}

function keepHere(principal: Principal, { request, judging, gate }: Reached): void {
  const { asked, memory } = judging;
  const known = knownOf(asked, principal, gate.generation);
  if (memory.rememberHere === undefined || memory.openKeyShortcut === undefined) {
    rememberEverywhere(fileName(asked.slice(plainBeginning.length), memory), known);
    return;
  }
  memory.rememberHere(known);
  const { settings, headers } = request;
  const zone = gate.keyZone();
  if (principal.method !== 'api_key' || zone === undefined || settings.requiredScopes.length > 0) return;
  memory.openKeyShortcut({ beginning: beginningOf(asked, headers), generation: gate.generation, zone });
}

function chargeFor(reason: Reason, { r, settings }: NginxRequest): Outcome {
  if (!failsCredential(reason) && reason !== 'rate_limited')
    return { admitted: false, reason, requiredScope: settings.requiredScope };
  const budget = budgetOf(r);
  const isSpent = reason === 'rate_limited' || !budget.spend();
  if (!isSpent) return refuse(reason);
  return { admitted: false, reason: 'rate_limited', retryAfterSeconds: budget.retryAfterSeconds() };
}

// A wrong credential counts against its sender; none at all does not.
function failsCredential(reason: Reason): boolean {
  return (
    refusals[reason].status === 401 && reason !== 'missing_credential' && reason !== 'unsupported_scheme'
  );
}
