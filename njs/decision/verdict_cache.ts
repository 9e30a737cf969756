// The verdict cache. It remembers what decide() concluded and judges nothing itself: a verdict is found again only for
// the same credential, under the same settings of the location and the same generation of keys, until it expires.
// Two places: a bounded Map inside a QuickJS context, and for what took a signature or bcrypt shared memory.

import type { Decided } from '../../auth/decide.js';
import { isReason, refusals, type Reason } from '../../auth/refusals.js';
import { usualTarget } from '../../auth/target.js';
import { admit, refuse, type Admitted, type Principal, type Verdict } from '../../auth/verdict.js';
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
  /** What the young half was until it was full. */
  old: Half;
  /** Of the headers in the young half. */
  characters: number;
}

const maxEntries = 1024; // a half
const maxCharacters = 524288;
const endCharacters = 48; // the end of a key or of a signature: QuickJS hashes a text character by character

const context: Context = KEYGATE_QUICKJS
  ? { young: emptyHalf(), old: emptyHalf(), characters: 0 }
  : (undefined as never);

function emptyHalf(): Half {
  return new Map<string, Remembered>();
}

function contextName({ authorization, xApiKey, apiKey, settings }: Asked): string {
  return (authorization || xApiKey || apiKey).slice(-endCharacters) + settings;
}

/**
 * Looks an admission up in this context: the same headers under the same settings and keys.
 * @returns undefined where there is none, as always on the old engine, whose contexts end with their request
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
    one.settings === other.settings
  );
}

/** Remembers an admission in this context, where nothing but the question has had a part in it. */
export function rememberHere(asked: Asked, verdict: Verdict, generation: string): void {
  if (!KEYGATE_QUICKJS || asked.target !== usualTarget || !verdict.admitted) return;
  const characters = asked.authorization.length + asked.xApiKey.length + asked.apiKey.length;
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

/** @returns a name under which a verdict is filed in shared memory: it gives neither credential nor settings away */
export function sharedName(settings: string, credential: string): string {
  return hmacSha256(readHmacSecret(), settings + '\n' + credential);
}

/** Looks up what any worker has concluded at a cost. */
export function recallShared(name: string, generation: string): Verdict | undefined {
  const refused = ngx.shared.keygate_refused.get(name);
  const reason = refused === undefined ? undefined : afterGeneration(refused, generation);
  if (isReason(reason)) return refuse(reason);
  const text = ngx.shared.keygate_verdicts.get(name);
  const principal = text === undefined ? undefined : afterGeneration(text, generation);
  if (principal === undefined) return undefined;
  const known = JSON.parse(principal) as Principal;
  return expiryMs(known) > Date.now() ? admit(known) : undefined;
}

// What is filed belongs to one generation of keys, which it begins with.
function afterGeneration(text: string, generation: string): string | undefined {
  return text.slice(0, generation.length) === generation ? text.slice(generation.length) : undefined;
}

const maxMs = 3600000;

/** Files what took a signature or bcrypt; a full zone never fails a request. */
export function rememberShared(name: string, { verdict, cost }: Decided, generation: string): void {
  try {
    if (verdict.admitted) {
      const restMs = Math.min(maxMs, expiryMs(verdict.principal) - Date.now());
      if (!(restMs > 0)) return;
      const text = generation + JSON.stringify(verdict.principal);
      ngx.shared.keygate_verdicts.set(name, text, Math.max(1, Math.floor(restMs)));
    } else if (cost === 'bcrypt' && isAboutCredential(verdict.reason)) {
      ngx.shared.keygate_refused.set(name, generation + verdict.reason);
    }
  } catch (_) {
    // Not remembered: the next request decides again.
  }
}

// Of a failure of ours, or a limit, the next request must not hear; nor that a scope is missing once the key has
// expired.
function isAboutCredential(reason: Reason): boolean {
  return refusals()[reason].status === 401;
}
