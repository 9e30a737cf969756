// One line of a key file: `[name:]hash attributes...`, or a plaintext key. What names a client's certificate may stand
// in the place of a hash.

import { parseCertificateEntry } from './certificate_entry.js';
import type { KeyEntry } from './key_record.js';
import type { Platform } from './platform.js';
import { makeLimit, maxBurst, parseBurst, parseRate, rateForm, type RateLimit } from './rate_limit.js';
import { parseRfc3339 } from './rfc3339.js';
import { parseScope } from './verdict.js';

const bcrypt = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/;
const sha256 = /^\$sha256\$([A-Za-z0-9_-]{43})$/;
// `name:hash` as `keygate key new` writes it. A single pattern checks the whole of it: checked part by part, a file of
// 100,000 lines takes several times as long.
const usual =
  /^[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}:\$(?:sha256\$[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]|2[aby]\$(?:0[4-9]|1[0-4])\$[./A-Za-z0-9]{53})(?: |$)/;
const usualId = /^id=[0-9A-Za-z]{8}$/;
const goodName = /^[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}$/;
/** Whether a name may stand before a hash. */
export function isKeyName(name: string): boolean {
  return goodName.test(name);
}

const goodId = /^[0-9A-Za-z]{8}$/;

/** The most work that one check may cost: 2^14 rounds. */
const maxBcryptCost = 14;

interface Attributes {
  id: string;
  expiresSeconds: number | null;
  /** Of `rate=`; undefined without it. */
  intervalMs: number | undefined;
  /** Of `burst=`. */
  burst: number | undefined;
  scopes: string[];
}

type Secret = { kind: KeyEntry['kind']; hash: string };

/**
 * Parses a line that is neither empty nor a comment.
 * @param text the line without white space at its ends
 * @returns the entry, or why the line can't be used, without any content of the line
 */
export function parseKeyLine(text: string, line: number, platform: Platform): KeyEntry | { problem: string } {
  const usualEntry = usual.test(text) ? readUsualLine(text, line) : undefined;
  if (usualEntry !== undefined) return usualEntry;
  if (/[^\x20-\x7e\t]/.test(text)) return { problem: 'holds a character that is not printable ASCII' };
  const words = splitWords(text);
  const first = words[0] as string;
  const colon = endOfName(first);
  const hasHash = first.indexOf('$') >= 0;
  if (colon > 0 && !hasHash) return { problem: 'a plaintext key has no name: write name:$sha256$... or the key alone' };
  const name = colon > 0 ? first.slice(0, colon) : '';
  if (name !== '' && !goodName.test(name))
    return { problem: 'the name may have letters, digits and . _ @ + - and 128 characters' };
  const attributes = parseAttributes(words.slice(1), hasHash);
  if ('problem' in attributes) return attributes;
  const secret = hasHash
    ? parseHash(colon > 0 ? first.slice(colon + 1) : first, platform)
    : parsePlaintext(first, platform);
  if ('problem' in secret) return secret;
  const limit = limitOf(attributes);
  if (limit !== null && 'problem' in limit) return limit;
  const { id, expiresSeconds, scopes } = attributes;
  return { kind: secret.kind, name, hash: secret.hash, id, expiresSeconds, scopes, limit, text, line };
}

// Returns undefined where an attribute is wrong: parseKeyLine then says why.
function readUsualLine(text: string, line: number): KeyEntry | undefined {
  const colon = text.indexOf(':');
  const isSha256 = text.charAt(colon + 2) === 's';
  const start = isSha256 ? colon + 9 : colon + 1; // after `$sha256$`; a bcrypt hash keeps its prefix
  const end = isSha256 ? start + 43 : start + 60;
  const kind = isSha256 ? 'sha256' : 'bcrypt';
  const name = text.slice(0, colon);
  const hash = text.slice(start, end);
  const rest = text.slice(end + 1);
  if (rest === '' || usualId.test(rest))
    return { kind, name, hash, id: rest.slice(3), expiresSeconds: null, scopes: [], limit: null, text, line };
  const attributes = parseAttributes(rest.split(' '), true);
  if ('problem' in attributes) return undefined;
  const limit = limitOf(attributes);
  if (limit !== null && 'problem' in limit) return undefined;
  const { id, expiresSeconds, scopes } = attributes;
  return { kind, name, hash, id, expiresSeconds, scopes, limit, text, line };
}

// Splitting at a regular expression is slow in both of nginx's engines.
function splitWords(text: string): string[] {
  return text.indexOf('\t') < 0 && text.indexOf('  ') < 0 ? text.split(' ') : text.split(/[ \t]+/);
}

// The index of the colon that ends the name; -1 or 0 without a name. A name has neither a colon nor a dollar sign.
function endOfName(first: string): number {
  const colon = first.indexOf(':');
  const dollar = first.indexOf('$');
  return dollar >= 0 && dollar < colon ? -1 : colon;
}

function parseHash(text: string, platform: Platform): Secret | { problem: string } {
  const digest = sha256.exec(text);
  if (digest !== null) {
    // 43 characters hold 258 bits: the last two must be zero.
    const isCanonical = /[AEIMQUYcgkosw048]$/.test(text);
    return isCanonical
      ? { kind: 'sha256', hash: digest[1] as string }
      : { problem: 'the $sha256$ value is not the base64url of 32 bytes' };
  }
  const certificate = parseCertificateEntry(text, platform);
  if (certificate !== undefined) return certificate;
  const cost = bcrypt.exec(text);
  if (cost === null)
    return { problem: 'not a hash that is known here: expected $2b$..., $2a$..., $2y$..., $sha256$... or $x509$...' };
  const rounds = Number(cost[1]);
  if (rounds > maxBcryptCost) return { problem: `bcrypt cost ${rounds} is above ${maxBcryptCost}` };
  return rounds < 4 ? { problem: `bcrypt cost ${rounds} is below 4` } : { kind: 'bcrypt', hash: text };
}

function parsePlaintext(key: string, platform: Platform): Secret | { problem: string } {
  if (key.indexOf(',') >= 0) return { problem: 'a plaintext key may not hold a comma' };
  if (key.split('.').length === 3) return { problem: 'a key with exactly two dots would be taken for a JWT' };
  return { kind: 'plaintext', hash: platform.sha256(key) };
}

function parseAttributes(words: string[], hasHash: boolean): Attributes | { problem: string } {
  const attributes: Attributes = { id: '', expiresSeconds: null, scopes: [], intervalMs: undefined, burst: undefined };
  let seen = ' ';
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as string;
    const equals = word.indexOf('=');
    const name = equals < 0 ? '' : word.slice(0, equals);
    const value = word.slice(equals + 1);
    const attribute = findAttribute(name);
    if (attribute === undefined || value === '')
      return { problem: hasHash ? unknownAttribute() : 'a plaintext key may not hold white space' };
    if (seen.indexOf(` ${name} `) >= 0) return { problem: `${name}= stands twice` };
    seen += name + ' ';
    if (!attribute.read(attributes, value)) return { problem: `${name}= expects ${attribute.expected}` };
  }
  return attributes;
}

/** An attribute of a line: `NAME=VALUE`. docs/keys.md and `keygate key new --help` have the same names. */
export interface Attribute {
  name: string;
  /** What a value must be, for messages. */
  expected: string;
  /** Puts a value among the attributes; @returns false for an invalid value. */
  read: (attributes: Attributes, value: string) => boolean;
}

export const keyAttributes: Attribute[] = [
  { name: 'id', expected: '8 letters or digits', read: readIdAttribute },
  { name: 'expires', expected: 'a date such as 2027-01-31, or RFC 3339', read: readExpiryAttribute },
  { name: 'scope', expected: 'names separated by commas', read: readScopeAttribute },
  { name: 'rate', expected: rateForm, read: readRateAttribute },
  { name: 'burst', expected: `a whole number from 0 to ${maxBurst}`, read: readBurstAttribute },
];

function readIdAttribute(attributes: Attributes, value: string): boolean {
  attributes.id = value;
  return goodId.test(value);
}

function readExpiryAttribute(attributes: Attributes, value: string): boolean {
  const expiresSeconds = parseRfc3339(value);
  if (expiresSeconds === undefined) return false;
  attributes.expiresSeconds = expiresSeconds;
  return true;
}

function readScopeAttribute(attributes: Attributes, value: string): boolean {
  const scopes = parseScope(value, ',');
  attributes.scopes = scopes === undefined ? [] : scopes;
  return attributes.scopes.length > 0;
}

function readRateAttribute(attributes: Attributes, value: string): boolean {
  attributes.intervalMs = parseRate(value);
  return attributes.intervalMs !== undefined;
}

function readBurstAttribute(attributes: Attributes, value: string): boolean {
  attributes.burst = parseBurst(value);
  return attributes.burst !== undefined;
}

function limitOf({ intervalMs, burst }: Attributes): RateLimit | { problem: string } | null {
  if (intervalMs === undefined) return burst === undefined ? null : { problem: 'burst= expects rate= beside it' };
  return makeLimit(intervalMs, burst || 0) || { problem: 'burst= is more than the rate= gives in a year' };
}

function findAttribute(name: string): Attribute | undefined {
  for (let i = 0; i < keyAttributes.length; i++) {
    const attribute = keyAttributes[i] as Attribute;
    if (attribute.name === name) return attribute;
  }
  return undefined;
}

function unknownAttribute(): string {
  const names = keyAttributes.map(({ name }) => `${name}=`);
  const last = names.pop() as string;
  return `an attribute that is not ${names.join(', ')} or ${last}`;
}
