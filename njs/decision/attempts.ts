// One request's way to an outcome when its credential is not known yet: gathers what the decision looks at, decides,
// and remembers. Whatever goes wrong on the way refuses.
//
// No function is made for a request, here and in what it calls: QuickJS takes longer for that than for a step of the
// decision. What belongs to a request is in objects with methods.

import { mayBeDoubled, usualCredential } from '../../auth/credential.js';
import { decide } from '../../auth/decide.js';
import { parseLocationSettings } from '../../auth/location_settings.js';
import type { SignatureResult } from '../../auth/platform.js';
import { beginningOf, isPlain, parseQuestion, plainBeginning } from '../../auth/question.js';
import { refuse, type Principal, type Verdict } from '../../auth/verdict.js';
import { charge } from '../charge.js';
import { credentialHeaders } from '../credential_headers.js';
import { NginxGate } from './gate.js';
import type { Memory } from '../known.js';
import { knownOf, type Known } from '../known_admission.js';
import { fileName, rememberEverywhere } from './verdict_cache.js';
import { isOvertaken, maxAttempts } from '../one_generation.js';
import { oneLine } from '../log.js';
import type { Outcome } from '../outcome.js';
import { NginxPlatform } from '../platform.js';
import { NginxRequest, readTarget } from './question.js';
import { readGeneration } from '../keys/shared_state.js';
import {
  judgeShortened,
  openTokenShortcut,
  shortenToken,
  verifyShortened,
  type ShortenedToken,
} from '../token_shortcut.js';

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
  if (!KEYGATE_QUICKJS) return judgeWhole(r, judging);
  const platform = new NginxPlatform(r);
  const shortened = shortenToken(judging.asked, platform);
  if (shortened === undefined) return judgeWhole(r, judging);
  if ('reason' in shortened) return charge(shortened.reason, { r, settings: shortened.settings });
  return decideLate(verifyShortened(shortened, platform), new ShortDecision(r, judging, shortened));
}

function judgeWhole(r: NginxHTTPRequest, judging: Judging): Outcome | Promise<void> {
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
  const reached = new WholeDecision(request, judging, { gate, attempt });
  return 'admitted' in verdict ? reached.settle(verdict) : decideLate(verdict, reached);
}

/** A decision that waits for one value. */
interface Late<T> {
  readonly r: NginxHTTPRequest;
  readonly judging: Judging;
  /** What comes of it with that value. */
  settle(value: T): Outcome | Promise<void>;
}

async function decideLate<T>(waiting: Promise<T>, late: Late<T>): Promise<void> {
  const { r, judging } = late;
  let outcome: Outcome | Promise<void>;
  try {
    const value = await waiting;
    outcome = late.settle(value);
  } catch (e) {
    outcome = fault(r, e);
  }
  if (!('admitted' in outcome)) return outcome;
  judging.answer(r, outcome);
}

class WholeDecision implements Late<Verdict> {
  readonly r: NginxHTTPRequest;

  constructor(
    private readonly request: NginxRequest,
    readonly judging: Judging,
    private readonly under: { gate: NginxGate; attempt: number },
  ) {
    this.r = request.r;
  }

  settle(verdict: Verdict): Outcome | Promise<void> {
    const { request, judging } = this;
    const { gate, attempt } = this.under;
    if (isOvertaken(verdict, gate.generation)) {
      if (attempt < maxAttempts) return decideNow(request, judging, attempt + 1);
      gate.isInDoubt = true;
    }
    const mayStay = isPlain(judging.asked) && !gate.isInDoubt;
    if (!verdict.admitted) {
      // Forged, or each of a flood of them would go the whole way.
      if (mayStay && verdict.reason === 'token_signature') this.openShortcut(false);
      return charge(verdict.reason, request);
    }
    const { principal } = verdict;
    if (mayStay && principal.method !== '') this.keep(principal);
    return verdict;
  }

  private keep(principal: Principal): void {
    const { request, judging } = this;
    const { gate } = this.under;
    const { asked, memory } = judging;
    const { generation } = gate;
    const { settings, headers } = request;
    if (mayBeDoubled(headers)) return;
    const known = knownOf(asked, principal, generation);
    if (memory.rememberHere === undefined || memory.openKeyShortcut === undefined) {
      // Not in a form that can be varied at will: one key could fill the zone.
      if (usualCredential(headers) !== undefined) fileQuestion(known, memory);
      return;
    }
    memory.rememberHere(known);
    const zone = gate.keyZone();
    if (principal.method === 'jwt') this.openShortcut(true);
    else if (zone !== undefined && settings.requiredScopes.length === 0)
      memory.openKeyShortcut({ beginning: beginningOf(asked, headers), generation, zone });
  }

  private openShortcut(isAdmitted: boolean): void {
    if (!KEYGATE_QUICKJS) return;
    const { request, judging } = this;
    openTokenShortcut(judging.asked, { request, gate: this.under.gate, isAdmitted });
  }
}

/** Of a token that begins like one before: only its signature is waited for. */
class ShortDecision implements Late<SignatureResult> {
  constructor(
    readonly r: NginxHTTPRequest,
    readonly judging: Judging,
    private readonly shortened: ShortenedToken,
  ) {}

  settle(result: SignatureResult): Outcome | Promise<void> {
    const { r, judging, shortened } = this;
    const { generation, settings } = shortened.shortcut;
    const verdict = judgeShortened(shortened, result);
    if (isOvertaken(verdict, generation)) return judgeWhole(r, judging);
    if (!verdict.admitted) return charge(verdict.reason, { r, settings });
    const { asked, memory } = judging;
    const known = knownOf(asked, verdict.principal, generation);
    fileQuestion(known, memory);
    if (memory.rememberHere !== undefined) memory.rememberHere(known);
    return verdict;
  }
}

function fileQuestion(known: Known, memory: Memory): void {
  rememberEverywhere(fileName(known.question.slice(plainBeginning.length), memory), known);
}
