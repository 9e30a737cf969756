// The decision, step by step, for both entry points: target, credential, JWT or API key, scopes.

import { checkKeyForm } from './api_key.js';
import type { CredentialHeaders, PresentedCredential } from './credential.js';
import { looksDoubled, readCredential } from './credential.js';
import { decideRecord, type KeyRecord } from './key_record.js';
import type { LocationSettings } from './location_settings.js';
import type { Platform } from './platform.js';
import { holdsScopes } from './scopes.js';
import { checkTarget, type TargetFacts } from './target.js';
import type { TrustedKeys } from './token_verdict.js';
import { decideToken } from './token_verdict.js';
import { admit, refuse, type Principal, type Verdict } from './verdict.js';

/** What is looked at of a request. */
export interface RequestFacts {
  headers: CredentialHeaders;
  /** Undefined where nginx found nothing unusual. */
  unusualTarget: TargetFacts | undefined;
  settings: LocationSettings;
  /** @returns whether this is a CORS preflight that the operator lets through (CORS_PREFLIGHT=pass) */
  isPreflight: () => boolean;
  /** @returns whether one of the credential headers was sent more than once */
  isDoubled: () => boolean;
}

/** What the gate knows and can do; njs/gate.ts builds it from nginx. */
export interface Gate {
  platform: Platform;
  nowSeconds: number;
  /** Whether a set of keys was loaded and is not too old. */
  hasKeys: () => boolean;
  /** @returns the entry of a plaintext or SHA-256 key by the digest of the key */
  findKey: (digest: string) => KeyRecord | undefined;
  /** @returns whether a bcrypt entry could match: by id, or any entry without one */
  mayBeHashed: (credential: string) => boolean;
  /** Asks the sidecar about a key against the bcrypt entries. */
  checkHashedKey: (credential: string) => Promise<Verdict>;
  /** The sets of JWKs to trust now; undefined when none was loaded yet. */
  trustedKeys: () => TrustedKeys | undefined;
  /** @returns whether a configured set of JWKs could not be loaded at all */
  lacksJwks: () => boolean;
  /** Fetches the remote JWKS for an unknown kid, within bounds. */
  refreshJwks: () => Promise<JwksRefresh>;
  /** @returns what was decided about a credential under these settings, scopes included */
  recall: (credential: string, isToken: boolean) => Verdict | undefined;
  remember: (decided: Decided) => void;
}

/** A verdict that took a signature or the sidecar, and that a cache may keep. */
export interface Decided {
  credential: string;
  isToken: boolean;
  verdict: Verdict;
}

/** `current`: the set was fetched within the window, changed or not; `failed`: it could not be; `none`: there is no remote set. */
export type JwksRefresh = 'current' | 'failed' | 'none';

/**
 * Decides about one request.
 * @returns the verdict, at once where that takes no signature and no sidecar; an exception or a rejected promise
 * means a fault of ours and admits nobody
 */
export function decide(request: RequestFacts, gate: Gate): Verdict | Promise<Verdict> {
  const { settings, unusualTarget } = request;
  const fault = unusualTarget === undefined ? undefined : checkTarget(unusualTarget);
  if (fault !== undefined) return refuse(fault);
  const presented = readCredential(request.headers);
  if ('reason' in presented) {
    if (presented.reason === 'missing_credential')
      return request.isPreflight() ? admit(nobody) : refuse('missing_credential');
    return explainRefusal(refuse(presented.reason), request);
  }
  const { credential, tokenParts } = presented;
  if (looksDoubled(credential) && request.isDoubled()) return refuse('doubled_header');
  const digestKey = tokenParts === undefined ? decideDigestKey(credential, gate) : undefined;
  if (digestKey !== undefined) return checkScopes(digestKey, settings);
  const remembered = gate.recall(credential, tokenParts !== undefined);
  return remembered === undefined ? decideAtCost({ presented, request, gate }) : remembered;
}

// A browser sends preflights without a credential (Fetch standard, CORS-preflight fetch).
const nobody: Principal = {
  method: '',
  subject: '',
  issuer: '',
  scopes: [],
  expiresSeconds: undefined,
  keyId: '',
};

// nginx joins repeated headers, so what was sent twice looks like one value that is wrong.
function explainRefusal(verdict: Verdict, request: RequestFacts): Verdict {
  return request.isDoubled() ? refuse('doubled_header') : verdict;
}

/**
 * Decides about an API key as far as that takes no sidecar.
 * @returns the verdict, or undefined when a bcrypt entry may match
 */
export function decideDigestKey(credential: string, gate: Gate): Verdict | undefined {
  if (!gate.hasKeys()) return refuse('keys_unavailable');
  const record = gate.findKey(gate.platform.sha256(credential));
  if (record !== undefined) return decideRecord(record, gate.nowSeconds);
  const malformed = checkKeyForm(credential);
  if (malformed !== undefined || !gate.mayBeHashed(credential)) return refuse('unknown_key');
  return undefined;
}

interface Question {
  presented: PresentedCredential;
  request: RequestFacts;
  gate: Gate;
}

function decideAtCost(question: Question): Verdict | Promise<Verdict> {
  const { presented, gate } = question;
  const judged =
    presented.tokenParts === undefined ? gate.checkHashedKey(presented.credential) : judgeToken(question);
  const isOver = 'admitted' in judged && (judged.admitted || judged.reason !== 'token_unknown_kid');
  return isOver ? conclude(judged, question) : decideLate(judged, question);
}

async function decideLate(judging: Verdict | Promise<Verdict>, question: Question): Promise<Verdict> {
  let judged = await judging;
  if (!judged.admitted && judged.reason === 'token_unknown_kid') judged = await judgeAfterRefresh(question);
  return conclude(judged, question);
}

function conclude(judged: Verdict, { presented, request, gate }: Question): Verdict {
  const { credential, tokenParts } = presented;
  const verdict = checkScopes(judged, request.settings);
  gate.remember({ credential, isToken: tokenParts !== undefined, verdict });
  const isUndecodable = !verdict.admitted && verdict.reason === 'token_bad_base64url';
  return isUndecodable ? explainRefusal(verdict, request) : verdict;
}

async function judgeAfterRefresh(question: Question): Promise<Verdict> {
  const { gate } = question;
  const refreshed = await gate.refreshJwks();
  if (refreshed === 'failed' || (refreshed === 'none' && gate.lacksJwks())) return refuse('keys_unavailable');
  if (refreshed === 'none') return refuse('token_unknown_kid');
  return judgeToken(question);
}

function judgeToken({ presented, request, gate }: Question): Promise<Verdict> | Verdict {
  const { credential, tokenParts } = presented;
  const keys = gate.trustedKeys();
  if (keys === undefined) return refuse('keys_unavailable');
  const { nowSeconds, platform } = gate;
  const settings = request.settings.jwt;
  return decideToken({ token: credential, tokenParts, nowSeconds, settings, keys, platform });
}

/** Refuses what was admitted, unless it holds the scopes that a location requires. */
export function checkScopes(verdict: Verdict, settings: LocationSettings): Verdict {
  if (!verdict.admitted || settings.requiredScopes.length === 0) return verdict;
  const held = holdsScopes(verdict.principal.scopes, settings.requiredScopes);
  return held ? verdict : refuse('insufficient_scope');
}
