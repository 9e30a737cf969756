// Level one of the verdict cache: inside a QuickJS context, found by what the client sent and by the location's
// settings. Synchronous; on the old engine, where each request starts anew, it is left out of the bundle.

import type { Identity } from './outcome.js';
import { readGeneration } from './state.js';

interface Known {
  identity: Identity;
  generation: string;
  /** Unix milliseconds; Infinity for a key without an end. */
  expiresMs: number;
}

type Remembered = Map<string, Known>; // by the credential header's value

const maxEntries = 64; // a half, in each of 128 contexts
const maxCharacters = 32768;

// Two halves: when the young one is full it becomes the old one and the old one is dropped.
const memory = KEYGATE_QUICKJS ? emptyMemory() : undefined;

interface Memory {
  young: Map<string, Remembered>; // by settings and header name
  old: Map<string, Remembered>;
  entries: number;
  characters: number;
}

function emptyMemory(): Memory {
  return { young: new Map(), old: new Map(), entries: 0, characters: 0 };
}

/**
 * What this context knows about the credential of a request in this location.
 * @returns the identity to admit it with, or undefined: a decision is needed
 */
export function recallHere(r: NginxHTTPRequest): Identity | undefined {
  if (memory === undefined) return undefined;
  const value = soleHeader(r);
  if (value === undefined) return undefined;
  const settings = r.variables.keygate_settings as string;
  const known = find(memory.young, settings, value) || find(memory.old, settings, value);
  if (known === undefined || known.generation !== readGeneration() || known.expiresMs <= Date.now())
    return undefined;
  return known.identity;
}

/** Remembers an admission; only what was presented in exactly one header can be found again. */
export function rememberHere(
  r: NginxHTTPRequest,
  settings: string,
  known: { identity: Identity; generation: string; expiresSeconds: number | undefined },
): void {
  const value = soleHeader(r);
  if (memory === undefined || value === undefined) return;
  if (memory.entries >= maxEntries || memory.characters + value.length > maxCharacters) rotate(memory);
  const here = memory.young.get(settings) || new Map<string, Known>();
  const expiresMs = known.expiresSeconds === undefined ? Infinity : known.expiresSeconds * 1000;
  here.set(value, { identity: known.identity, generation: known.generation, expiresMs });
  memory.young.set(settings, here);
  memory.entries++;
  memory.characters += value.length;
}

function find(half: Map<string, Remembered>, settings: string, value: string): Known | undefined {
  const here = half.get(settings);
  return here === undefined ? undefined : here.get(value);
}

function rotate(full: Memory): void {
  full.old = full.young;
  full.young = new Map();
  full.entries = 0;
  full.characters = 0;
}

// The value of the one credential header, marked with the header's name.
function soleHeader(r: NginxHTTPRequest): string | undefined {
  const headers = r.headersIn;
  const authorization = headers['Authorization'];
  const xApiKey = headers['x-api-key'];
  const apiKey = headers['api-key'];
  if (authorization !== undefined)
    return xApiKey === undefined && apiKey === undefined ? authorization : undefined;
  if (xApiKey !== undefined) return apiKey === undefined ? 'x ' + xApiKey : undefined;
  return apiKey === undefined ? undefined : 'a ' + apiKey;
}
