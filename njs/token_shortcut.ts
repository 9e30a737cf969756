// The short way for a token that begins like one before: with the same settings and the same header, so that the same key
// must have signed it. The whole decision opens it when it has come as far as a signature; what it comes to from there on
// is what that would come to. What may be no such token is left to it. QuickJS only: no context lives on elsewhere.

import { maxCredentialBytes, usualCredential } from '../auth/credential.js';
import { checkScopes } from '../auth/decide.js';
import type { Jwk } from '../auth/jwk.js';
import { parsePayload, readHeader, type AcceptedHeader, type UnverifiedToken } from '../auth/jwt.js';
import type { LocationSettings } from '../auth/location_settings.js';
import type { Platform, SignatureResult } from '../auth/platform.js';
import type { Reason } from '../auth/refusals.js';
import { hasSignatureForm } from '../auth/signature.js';
import { judgeClaims, selectJwks, sourceOf, type TrustedKeys } from '../auth/token_verdict.js';
import { refuse, type Verdict } from '../auth/verdict.js';
import type { NginxGate } from './decision/gate.js';
import type { NginxRequest } from './decision/question.js';
import { readGeneration } from './keys/shared_state.js';

/** What is known of tokens that begin alike. */
export interface TokenShortcut {
  /** How a question begins with them: settings that are good, `Bearer `, the header and its dot. */
  beginning: string;
  /** Where in a question the header begins. */
  tokenStart: number;
  header: AcceptedHeader;
  /** The one key that may have signed them. */
  jwk: Jwk;
  generation: string;
  settings: LocationSettings;
  keys: TrustedKeys;
}

/** A token whose signature is all that is to be checked before its claims. */
export interface ShortenedToken {
  shortcut: TokenShortcut;
  token: UnverifiedToken;
}

const opened: TokenShortcut[] = [];
const maxOpened = 4;

export interface Opening {
  request: NginxRequest;
  gate: NginxGate;
  /** Whether the token was admitted: only such a one takes the place of another. */
  isAdmitted: boolean;
}

/**
 * Opens the short way for what begins like the question of a token whose signature was checked.
 * @param asked a plain question
 */
export function openTokenShortcut(asked: string, { request, gate, isAdmitted }: Opening): void {
  const { generation } = gate;
  while (opened.length > 0 && (opened[opened.length - 1] as TokenShortcut).generation !== generation)
    opened.pop();
  if (opened.length === maxOpened && !isAdmitted) return;
  const { headers, settings } = request;
  const { authorization } = headers;
  if (authorization === '' || usualCredential(headers) === undefined) return;
  const headerEnd = authorization.indexOf('.');
  const header = readHeader(authorization.slice(bearer.length, headerEnd), gate.platform);
  if ('reason' in header || header.kid === undefined) return;
  const keys = gate.trustedKeys();
  const candidates = selectJwks(header, false, keys);
  const jwk = 'reason' in candidates || candidates.jwks.length > 1 ? undefined : candidates.jwks[0];
  if (jwk === undefined) return;
  const start = asked.length - authorization.length;
  const beginning = asked.slice(0, start + headerEnd + 1);
  if (opened.some((one) => one.beginning === beginning && one.generation === generation)) return;
  if (opened.length === maxOpened) opened.pop();
  const tokenStart = start + bearer.length;
  opened.unshift({ beginning, tokenStart, header, jwk, generation, settings, keys });
}

const bearer = 'Bearer ';

/** A refusal that takes no signature, and the settings under which it was reached. */
export interface RefusedToken {
  reason: Reason;
  settings: LocationSettings;
}

// Of what is taken apart here and may be left to the whole decision all the same, which then does it again.
const maxPayloadCharacters = 4096;

/** Takes the token of a question apart, where it begins like one before and has the form that its key asks for. */
export function shortenToken(asked: string, platform: Platform): ShortenedToken | RefusedToken | undefined {
  for (let i = 0; i < opened.length; i++) {
    const shortcut = opened[i] as TokenShortcut;
    if (!asked.startsWith(shortcut.beginning)) continue;
    const isCurrent = shortcut.generation === readGeneration();
    if (!isCurrent) opened.splice(i, 1);
    return isCurrent ? takeApart(asked, shortcut, platform) : undefined;
  }
  return undefined;
}

function takeApart(
  asked: string,
  shortcut: TokenShortcut,
  platform: Platform,
): ShortenedToken | RefusedToken | undefined {
  const { beginning, tokenStart, header, jwk, settings, keys } = shortcut;
  const { algorithm, kid } = header;
  const payloadEnd = asked.indexOf('.', beginning.length);
  const payloadCharacters = payloadEnd - beginning.length;
  if (!(payloadCharacters > 0) || payloadCharacters > maxPayloadCharacters) return undefined;
  if (asked.length - tokenStart > maxCredentialBytes) return undefined;
  const signature = platform.decodeBase64url(asked.slice(payloadEnd + 1));
  if (signature === undefined || !hasSignatureForm(algorithm, jwk, signature)) return undefined;
  const payload = parsePayload(asked.slice(beginning.length, payloadEnd), platform);
  if ('reason' in payload) {
    const { reason } = payload;
    return reason === 'token_bad_base64url' ? undefined : { reason, settings }; // which may be two headers
  }
  const source = sourceOf(payload.object, settings.jwt, keys);
  if (source === undefined) return { reason: 'token_issuer', settings };
  if (source === 'ours') return undefined;
  const signedText = asked.slice(tokenStart, payloadEnd);
  const token = { algorithm, kid, unverifiedClaims: payload.object, signedText, signature };
  return { shortcut, token };
}

/** Verifies its signature. */
export function verifyShortened(
  { shortcut, token }: ShortenedToken,
  platform: Platform,
): Promise<SignatureResult> {
  const { algorithm, signedText, signature } = token;
  return platform.verifySignature({ algorithm, jwk: shortcut.jwk, signedText, signature });
}

/** The verdict on such a token, as the whole decision comes to it. */
export function judgeShortened({ shortcut, token }: ShortenedToken, result: SignatureResult): Verdict {
  if (result === 'unavailable') return refuse('verifier_unavailable');
  if (result === 'invalid') return refuse('token_signature');
  const { jwk, keys, settings } = shortcut;
  const judging = { isOurs: false, settings: settings.jwt, keys, nowSeconds: Date.now() / 1000 };
  return checkScopes(judgeClaims(token, jwk, judging), settings);
}
