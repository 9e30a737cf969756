// The decision, step by step, for both entry points: target, credential, JWT or API key, scopes.

import type { CredentialHeaders } from './credential.js';
import { isTokenShaped, readCredential } from './credential.js';
import { checkKeyForm } from './api_key.js';
import type { LocationSettings } from './location_settings.js';
import type { Platform } from './platform.js';
import { holdsScopes } from './scopes.js';
import { checkTarget } from './target.js';
import type { TrustedKeys } from './token_verdict.js';
import { decideToken } from './token_verdict.js';
import { admit, refuse, type Principal, type Verdict } from './verdict.js';

/** What is looked at of a request. */
export interface RequestFacts {
  headers: CredentialHeaders;
  path: string;
  rawTarget: string;
  settings: LocationSettings;
  /** Whether this is a CORS preflight that the operator lets through (CORS_PREFLIGHT=pass). */
  isPreflight: boolean;
}

/** One entry of the key file, as nginx keeps it. */
export interface KeyRecord {
  subject: string;
  scopes: string[];
  expiresSeconds: number | undefined;
  fingerprint: string;
}

/** What the gate knows and can do; njs/gate.ts builds it from nginx. */
export interface Gate {
  platform: Platform;
  nowSeconds: number;
  /** `missing`: no set of keys could be loaded, or the last good one is too old. */
  keys: 'available' | 'missing';
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
  /** Verdicts that cost something, shared by all workers. */
  recall: (credential: string) => Verdict | undefined;
  remember: (credential: string, verdict: Verdict) => void;
}

/** `current`: the set was fetched within the window, changed or not; `failed`: it could not be; `none`: there is no remote set. */
export type JwksRefresh = 'current' | 'failed' | 'none';

/**
 * Decides about one request.
 * @returns the verdict; a rejected promise means a fault of ours and admits nobody
 */
export async function decide(request: RequestFacts, gate: Gate): Promise<Verdict> {
  const { settings } = request;
  if (!settings.armed) return refuse('location_not_configured');
  const fault = checkTarget({
    flags: settings.targetFlags,
    path: request.path,
    rawTarget: request.rawTarget,
  });
  if (fault !== undefined) return refuse(fault);
  const reading = readCredential(request.headers);
  if ('reason' in reading) {
    const mayPass = request.isPreflight && reading.reason === 'missing_credential';
    return mayPass ? admit(nobody) : refuse(reading.reason);
  }
  const verdict = await decideCredential(reading.credential, settings, gate);
  return checkScopes(verdict, settings);
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

/** Decides who a credential stands for, whatever its scopes. */
async function decideCredential(
  credential: string,
  settings: LocationSettings,
  gate: Gate,
): Promise<Verdict> {
  const isToken = isTokenShaped(credential);
  if (!isToken) {
    const known = decideDigestKey(credential, gate);
    if (known !== undefined) return known;
  }
  const remembered = gate.recall(credential);
  if (remembered !== undefined) return remembered;
  const verdict = isToken
    ? await decideJwt(credential, settings, gate)
    : await gate.checkHashedKey(credential);
  gate.remember(credential, verdict);
  return verdict;
}

/**
 * Decides about an API key as far as that takes no sidecar.
 * @returns the verdict, or undefined when a bcrypt entry may match
 */
export function decideDigestKey(credential: string, gate: Gate): Verdict | undefined {
  if (gate.keys === 'missing') return refuse('keys_unavailable');
  const record = gate.findKey(gate.platform.sha256(credential));
  if (record !== undefined) return decideRecord(record, gate.nowSeconds);
  const malformed = checkKeyForm(credential);
  if (malformed !== undefined || !gate.mayBeHashed(credential)) return refuse('unknown_key');
  return undefined;
}

/** Decides about an entry that a key was found to match. */
export function decideRecord(record: KeyRecord, nowSeconds: number): Verdict {
  if (record.expiresSeconds !== undefined && record.expiresSeconds <= nowSeconds)
    return refuse('expired_key');
  return admit({
    method: 'api_key',
    subject: record.subject,
    issuer: '',
    scopes: record.scopes,
    expiresSeconds: record.expiresSeconds,
    keyId: record.fingerprint,
  });
}

async function decideJwt(token: string, settings: LocationSettings, gate: Gate): Promise<Verdict> {
  const first = await judgeToken(token, settings, gate);
  if (first.admitted || first.reason !== 'token_unknown_kid') return first;
  const refreshed = await gate.refreshJwks();
  if (refreshed === 'failed') return refuse('keys_unavailable');
  if (refreshed === 'none') return gate.lacksJwks() ? refuse('keys_unavailable') : first;
  const second = await judgeToken(token, settings, gate);
  return second;
}

async function judgeToken(token: string, settings: LocationSettings, gate: Gate): Promise<Verdict> {
  const keys = gate.trustedKeys();
  if (keys === undefined) return refuse('keys_unavailable');
  const { nowSeconds, platform } = gate;
  return decideToken({ token, nowSeconds, settings: settings.jwt, keys, platform });
}

function checkScopes(verdict: Verdict, settings: LocationSettings): Verdict {
  if (!verdict.admitted || settings.requiredScopes.length === 0) return verdict;
  const held = holdsScopes(verdict.principal.scopes, settings.requiredScopes);
  return held ? verdict : refuse('insufficient_scope');
}
