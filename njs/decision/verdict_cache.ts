// The verdict cache remembers what decide() concluded and judges nothing itself. A verdict is found again only for the
// same credential, certificate, settings and generation of keys, until the verdict expires. A bounded Map in a QuickJS
// context keeps admissions; shared memory keeps verdicts that took a signature or bcrypt.

import type { Decided } from '../../auth/decide.js';
import { isReason, refusals, type Reason } from '../../auth/refusals.js';
import { usualTarget } from '../../auth/target.js';
import {
  admit,
  refuse,
  refusePrincipal,
  type Admitted,
  type Principal,
  type Refused,
  type Verdict,
} from '../../auth/verdict.js';
import { readHmacSecret } from '../keys/shared_state.js';
import { hmacSha256 } from '../platform.js';
import type { Asked } from './question.js';

interface Remembered {
  asked: Asked;
  generation: string;
  /** Unix milliseconds; Infinity for a credential without an end. */
  expiresMs: number;
  verdict: Admitted;
}

type Half = Map<string, Remembered>;

interface Context {
  young: Half;
  /** The half that was young before, and full. */
  old: Half;
  /** How many characters the headers in the young half have. */
  characters: number;
}

const maxEntries = 1024; // in each half
const maxCharacters = 524288;
const endCharacters = 48; // the end of a key or of a signature: QuickJS hashes a text character by character
const certificateEndCharacters = 96; // likewise, and the last line of PEM behind it, which is always the same

const context: Context = KEYGATE_QUICKJS
  ? { young: emptyHalf(), old: emptyHalf(), characters: 0 }
  : (undefined as never);

function emptyHalf(): Half {
  return new Map<string, Remembered>();
}

function contextName({ authorization, xApiKey, apiKey, further, certificate, settings }: Asked): string {
  const credential = authorization || xApiKey || apiKey || further;
  if (credential === '') return certificate.slice(-certificateEndCharacters) + settings;
  return credential.slice(-endCharacters) + settings;
}

/**
 * Looks an admission up in this context: the same headers and certificate under the same settings and keys.
 * @returns undefined without an admission, as always on the old engine, whose contexts end with their request
 */
export function recallHere(asked: Asked, generation: string | undefined): Admitted | undefined {
  if (!KEYGATE_QUICKJS || asked.target !== usualTarget) return undefined;
  const name = contextName(asked);
  const found = context.young.get(name) || context.old.get(name);
  if (found === undefined || found.generation !== generation || !(found.expiresMs > Date.now())) return undefined;
  return isSame(found.asked, asked) ? found.verdict : undefined;
}

function isSame(one: Asked, other: Asked): boolean {
  return (
    one.authorization === other.authorization &&
    one.xApiKey === other.xApiKey &&
    one.apiKey === other.apiKey &&
    one.further === other.further &&
    one.certificate === other.certificate &&
    one.settings === other.settings
  );
}

/** Remembers an admission in this context, for a usual target only, since the name leaves the target out. */
export function rememberHere(asked: Asked, verdict: Verdict, generation: string): void {
  if (!KEYGATE_QUICKJS || asked.target !== usualTarget || !verdict.admitted) return;
  const { authorization, xApiKey, apiKey, further, certificate } = asked;
  const characters = authorization.length + xApiKey.length + apiKey.length + further.length + certificate.length;
  if (context.young.size >= maxEntries || context.characters + characters > maxCharacters) {
    context.old = context.young;
    context.young = emptyHalf();
    context.characters = 0;
  }
  context.characters += characters;
  const expiresMs = expiryMs(verdict.principal);
  context.young.set(contextName(asked), { asked, generation, expiresMs, verdict });
}

function expiryMs({ expiresSeconds }: Principal): number {
  return expiresSeconds === undefined ? Infinity : expiresSeconds * 1000;
}

/** @returns the name of a verdict in shared memory: an HMAC, which reveals neither credential nor settings */
export function sharedName({ settings, certificate }: Asked, credential: string): string {
  return hmacSha256(readHmacSecret(), settings + '\n' + certificate + '\n' + credential);
}

/** Finds a verdict that took any worker a signature or bcrypt. */
export function recallShared(name: string, generation: string): Verdict | undefined {
  const refused = ngx.shared.keygate_refused.get(name);
  const refusal = refused === undefined ? undefined : afterGeneration(refused, generation);
  const remembered = refusal === undefined ? undefined : readRefusal(refusal);
  if (remembered !== undefined) return remembered;
  const text = ngx.shared.keygate_verdicts.get(name);
  const principal = text === undefined ? undefined : afterGeneration(text, generation);
  if (principal === undefined) return undefined;
  const known = JSON.parse(principal) as Principal;
  return expiryMs(known) > Date.now() ? admit(known) : undefined;
}

// The reason, and behind a space the principal where one is known.
function readRefusal(text: string): Refused | undefined {
  const space = text.indexOf(' ');
  const reason = space < 0 ? text : text.slice(0, space);
  if (!isReason(reason)) return undefined;
  return space < 0 ? refuse(reason) : refusePrincipal(reason, JSON.parse(text.slice(space + 1)) as Principal);
}

// Each stored text begins with the generation of keys that it belongs to.
function afterGeneration(text: string, generation: string): string | undefined {
  return text.slice(0, generation.length) === generation ? text.slice(generation.length) : undefined;
}

const maxMs = 3600000;

/** Stores a verdict that took a signature or bcrypt; a full zone never fails a request. */
export function rememberShared(name: string, { verdict, cost }: Decided, generation: string): void {
  try {
    if (verdict.admitted) {
      const restMs = Math.min(maxMs, expiryMs(verdict.principal) - Date.now());
      if (!(restMs > 0)) return;
      const text = generation + JSON.stringify(verdict.principal);
      ngx.shared.keygate_verdicts.set(name, text, Math.max(1, Math.floor(restMs)));
    } else if (cost === 'bcrypt' && isAboutCredential(verdict.reason)) {
      const { reason, principal } = verdict;
      const who = principal === undefined ? '' : ' ' + JSON.stringify(principal);
      ngx.shared.keygate_refused.set(name, generation + reason + who);
    }
  } catch (_) {
    // Not remembered: the next request decides again.
  }
}

// Other refusals must not be repeated to the next request: a failure of ours or a limit may be over, and a key without
// the required scope may have expired.
function isAboutCredential(reason: Reason): boolean {
  return refusals()[reason].status === 401;
}
