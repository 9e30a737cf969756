// One request's way to an outcome when this context does not know its credential yet: gathers what the decision
// looks at, decides, and remembers. Whatever goes wrong on the way refuses.

import { decide } from '../auth/decide.js';
import { parseLocationSettings, type LocationSettings } from '../auth/location_settings.js';
import { refusals, type Reason } from '../auth/refusals.js';
import type { Verdict } from '../auth/verdict.js';
import { budgetOf, type Budget } from './budget.js';
import { buildGate, type Doubts } from './gate.js';
import { rememberHere } from './known_here.js';
import { oneLine } from './one_line.js';
import { identify, type Outcome } from './outcome.js';
import { credentialHeaders, isLetThroughPreflight } from './request.js';
import { readGeneration } from './state.js';

/** Decides about a request and never throws. */
export async function judge(r: NginxHTTPRequest): Promise<Outcome> {
  try {
    const outcome = await judgeOrThrow(r);
    return outcome;
  } catch (e) {
    r.error('keygate: no decision: ' + oneLine(e));
    return { admitted: false, reason: 'internal_error' };
  }
}

async function judgeOrThrow(r: NginxHTTPRequest): Promise<Outcome> {
  const joined = String(r.variables.keygate_settings);
  const settings = settingsOf(joined);
  if ('fault' in settings) {
    r.error('keygate: location_not_configured: ' + settings.fault);
    return { admitted: false, reason: 'location_not_configured' };
  }
  if (!settings.armed)
    r.error('keygate: location_not_configured: include keygate/location.conf in this very location');
  const generation = readGeneration();
  if (generation === undefined) return { admitted: false, reason: 'keys_unavailable' };
  const budget = budgetOf(r);
  const doubts = { any: false };
  const gate = buildGate(r, { joined, generation, budget, doubts });
  const headers = credentialHeaders(r);
  const path = String(r.variables.uri);
  const rawTarget = String(r.variables.request_uri);
  const isPreflight = isLetThroughPreflight(r);
  const verdict = await decide({ headers, path, rawTarget, settings, isPreflight }, gate);
  return settle(r, { verdict, joined, settings, generation, budget, doubts });
}

// Parsed once per context and location: settings are few.
const parsed: { [joined: string]: ReturnType<typeof parseLocationSettings> } = Object.create(null) as never;
const count = { parsed: 0 };
const maxParsed = 64; // flags about the target are part of it

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
  joined: string;
  settings: LocationSettings;
  generation: string;
  budget: Budget;
  doubts: Doubts;
}

function settle(r: NginxHTTPRequest, reached: Reached): Outcome {
  const { verdict, joined, settings, generation, budget, doubts } = reached;
  if (verdict.admitted) {
    const identity = identify(verdict.principal);
    const expiresSeconds = verdict.principal.expiresSeconds;
    // A flagged target is looked at each time: the flag stands in the key of the cache, the path does not.
    const mayStay = verdict.principal.method !== '' && settings.targetFlags === '' && !doubts.any;
    if (mayStay) rememberHere(r, joined, { identity, generation, expiresSeconds });
    return { admitted: true, identity };
  }
  const isSpent = failsCredential(verdict.reason) ? !budget.spend() : verdict.reason === 'rate_limited';
  if (isSpent)
    return { admitted: false, reason: 'rate_limited', retryAfterSeconds: budget.retryAfterSeconds() };
  return { admitted: false, reason: verdict.reason, requiredScope: settings.requiredScope };
}

// A wrong credential counts against its sender; none at all does not.
function failsCredential(reason: Reason): boolean {
  return (
    refusals[reason].status === 401 && reason !== 'missing_credential' && reason !== 'unsupported_scheme'
  );
}
