// The decision, step by step, for both entry points: target, credential, JWT or API key, scopes. Every verdict that
// admits a request comes from here.

import { decideCertificate, endWith, type PresentedCertificate } from './certificate_verdict.js';
import {
  checkKeyForm,
  type CredentialHeaders,
  type PresentedCredential,
  chooseCredential,
  readCredential,
} from './credential.js';
import { decideRecord, type KeyRecord } from './key_record.js';
import type { LocationSettings } from './location_settings.js';
import type { Platform } from './platform.js';
import { nameBudget } from './rate_limit.js';
import type { Reason } from './refusals.js';
import { holdsScopes, admit, refuse, refusePrincipal, type Principal, type Refused, type Verdict } from './verdict.js';
import { checkTarget } from './target.js';
import { type TrustedKeys, decideToken } from './token_verdict.js';

/** The parts of a request that the decision reads. */
export interface RequestFacts {
  headers: CredentialHeaders;
  /** See checkTarget. */
  target: string;
  settings: LocationSettings;
  /** @returns whether this is a CORS preflight that the operator lets through (CORS_PREFLIGHT=pass) */
  isPreflight: () => boolean;
  /** @returns the client's certificate; undefined without one, and where the location takes none */
  certificate: () => PresentedCertificate | undefined;
}

/** What the decision needs beside the request; njs/decision/gate.ts implements the gate in nginx. */
export interface Gate {
  platform: Platform;
  nowSeconds: number;
  /** Whether a set of keys was loaded and is not too old. */
  hasKeys: () => boolean;
  /** @returns the entry of a plaintext or SHA-256 key by the key's digest, of a certificate by its hash */
  findKey: (hash: string) => KeyRecord | undefined;
  /** @returns whether a bcrypt entry has the key's id or, for a key without an id, has no id either */
  mayBeHashed: (credential: string) => boolean;
  /** Asks the sidecar about a key against the bcrypt entries. */
  checkHashedKey: (credential: string) => Promise<Verdict>;
  /** The sets of JWKs to trust now; undefined when none was loaded yet. */
  trustedKeys: () => TrustedKeys | undefined;
  /**
   * Fetches a provider's remote JWKS for an unknown kid, at most once in a window of time.
   * @param provider the name; undefined for the unnamed one
   */
  refreshJwks: (provider: string | undefined) => Promise<JwksRefresh>;
  /** @returns an earlier verdict on this credential under these settings that took a signature or the sidecar */
  recall: (credential: string) => Verdict | undefined;
  remember: (decided: Decided) => void;
}

/** A verdict that a cache may keep. */
export interface Decided {
  credential: string;
  /** What the verdict took beside a lookup. */
  cost: 'nothing' | 'signature' | 'bcrypt';
  verdict: Verdict;
}

/**
 * `current`: the set was fetched within the window, changed or not; `failed`: the fetch failed; `none`: there is no
 * remote set.
 */
export type JwksRefresh = 'current' | 'failed' | 'none';

/**
 * Decides about one request.
 * @returns the verdict, without a promise where no signature and no sidecar is needed. An exception or a rejected
 * promise means a fault of ours, and the caller must refuse the request.
 */
export function decide(request: RequestFacts, gate: Gate): Verdict | Promise<Verdict> {
  const fault = checkTarget(request.target, request.settings);
  if (fault !== undefined) return refuse(fault);
  const credential = chooseCredential(request.headers, request.settings.credentialHeaders);
  if (typeof credential !== 'string') return decideWithout(credential.reason, request, gate);
  const presented = readCredential(credential);
  if ('reason' in presented) return refuse(presented.reason);
  const question = { presented, request, gate };
  if (presented.tokenParts !== undefined) return recallOr(decideJwt, question);
  const found = decideDigestKey(credential, gate);
  return found === undefined ? recallOr(decideHashedKey, question) : conclude(found, question, 'nothing');
}

// A certificate is an identity only where no credential was sent: a wrong credential is refused, whoever sends it.
function decideWithout(reason: Reason, request: RequestFacts, gate: Gate): Verdict {
  if (reason !== 'missing_credential') return refuse(reason);
  const certificate = request.certificate();
  const verdict = certificate === undefined ? undefined : decideCertificate(certificate, gate);
  if (verdict !== undefined && verdict.admitted)
    return conclude(verdict, { presented: noCredential, request, gate }, 'nothing');
  return request.isPreflight() ? admit(nobody) : verdict || refuse(reason);
}

// A browser sends preflights without a credential (Fetch standard, CORS-preflight fetch).
const nobody: Principal = {
  method: '',
  subject: '',
  issuer: '',
  scopes: [],
  expiresSeconds: undefined,
  keyId: '',
  limit: null,
  budget: '',
};

const noCredential: PresentedCredential = { credential: '', tokenParts: undefined };

interface Question {
  presented: PresentedCredential;
  request: RequestFacts;
  gate: Gate;
}

function recallOr(
  decideAtCost: (question: Question) => Verdict | Promise<Verdict>,
  question: Question,
): Verdict | Promise<Verdict> {
  const remembered = question.gate.recall(question.presented.credential);
  return remembered === undefined ? decideAtCost(question) : remembered;
}

/**
 * Decides about an API key where the decision needs no sidecar.
 * @returns the verdict, or undefined when a bcrypt entry may match
 */
function decideDigestKey(credential: string, gate: Gate): Verdict | undefined {
  if (!gate.hasKeys()) return refuse('keys_unavailable');
  const record = gate.findKey(gate.platform.sha256(credential));
  if (record !== undefined) return decideRecord(record, gate.nowSeconds);
  const malformed = checkKeyForm(credential);
  if (malformed !== undefined || !gate.mayBeHashed(credential)) return refuse('unknown_key');
  return undefined;
}

async function decideHashedKey(question: Question): Promise<Verdict> {
  const verdict = await question.gate.checkHashedKey(question.presented.credential);
  return conclude(verdict, question, 'bcrypt');
}

function decideJwt(question: Question): Verdict | Promise<Verdict> {
  const judged = judgeToken(question);
  return 'admitted' in judged && judged.admitted === false && judged.reason !== 'token_unknown_kid'
    ? judged
    : decideJwtLater(judged, question);
}

async function decideJwtLater(judging: Verdict | Promise<Verdict>, question: Question): Promise<Verdict> {
  let judged = await judging;
  if (isUnknownKid(judged)) judged = await judgeAfterRefresh(question, judged);
  return conclude(endWith(question.request.certificate(), judged), question, 'signature');
}

async function judgeAfterRefresh(question: Question, unknown: Refused): Promise<Verdict> {
  const refreshed = await question.gate.refreshJwks(unknown.provider);
  if (refreshed === 'failed') return refuse('keys_unavailable');
  let judged: Verdict = unknown;
  if (refreshed === 'current') judged = await judgeToken(question);
  return isUnknownKid(judged) && judged.lacksJwks === true ? refuse('keys_unavailable') : judged;
}

function isUnknownKid(verdict: Verdict): verdict is Refused {
  return !verdict.admitted && verdict.reason === 'token_unknown_kid';
}

function judgeToken({ presented, request, gate }: Question): Promise<Verdict> | Verdict {
  const { credential, tokenParts } = presented;
  const keys = gate.trustedKeys();
  if (keys === undefined) return refuse('keys_unavailable');
  const { nowSeconds, platform } = gate;
  const settings = request.settings.jwt;
  const certificate = request.certificate();
  const certificateThumbprint =
    certificate === undefined || 'reason' in certificate ? undefined : certificate.thumbprint;
  return decideToken({ token: credential, tokenParts, nowSeconds, settings, keys, platform, certificateThumbprint });
}

function conclude(judged: Verdict, { presented, request, gate }: Question, cost: Decided['cost']): Verdict {
  const verdict = checkScopes(withLimit(judged, request.settings), request.settings);
  gate.remember({ credential: presented.credential, cost, verdict });
  return verdict;
}

// The location's limit holds for whoever has none.
function withLimit(verdict: Verdict, { keyLimit }: LocationSettings): Verdict {
  if (!verdict.admitted || keyLimit === null || verdict.principal.limit !== null) return verdict;
  const budget = nameBudget(verdict.principal.budget, keyLimit);
  return admit(Object.assign({}, verdict.principal, { limit: keyLimit, budget }));
}

function checkScopes(verdict: Verdict, settings: LocationSettings): Verdict {
  if (!verdict.admitted || settings.requiredScopes.length === 0) return verdict;
  const held = holdsScopes(verdict.principal.scopes, settings.requiredScopes);
  return held ? verdict : refusePrincipal('insufficient_scope', verdict.principal);
}
