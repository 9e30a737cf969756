// Whether a request target may be judged at all, and whether it could reach the upstream's own /token,
// which hands out a secret (RFC 3986 section 6.2.2, WHATWG URL section 4.4).

import type { Reason } from './refusals.js';

/** What a location asks of the target of its requests. */
export interface TargetSettings {
  /** Whether the upstream's own /token is hidden: copilot-api gives its GitHub token away there. */
  hidesTokenRoute: boolean;
}

/**
 * The form of nearly every target: no identity header, two plain hosts, a path without an escape or `token`. JavaScript
 * and PCRE must read the pattern alike, since nginx tries it before us (nginx/snippet_files.ts).
 */
export const usualTargetPattern =
  '^= [A-Za-z0-9._:\\[\\]-]* [A-Za-z0-9._:\\[\\]-]* (?![^?]*(?:%|[Tt][Oo][Kk][Ee][Nn]))[^\\x00-\\x20\\x5c\\x7f#]*$';

/** Stands for a target in which nginx has found that form; no other `$keygate_target` begins with this word. */
export const usualTarget = 'usual';

// The pattern is compiled when it is first needed, since nginx has tried it before. Most requests have the same target
// as the request before.
const compiled: { usual: RegExp | undefined } = { usual: undefined };
const latest = { target: '' };

/** Whether a target needs no further check, whatever a location asks of targets. */
export function isUsualTarget(target: string): boolean {
  if (target !== '' && target === latest.target) return true;
  compiled.usual = compiled.usual || new RegExp(usualTargetPattern);
  if (!compiled.usual.test(target)) return false;
  latest.target = target;
  return true;
}

const allowed = /^= [A-Za-z0-9._:[\]-]* [A-Za-z0-9._:[\]-]* [^\x00-\x20\x5c\x7f#]*$/;

/**
 * Checks the target of a request that would be proxied.
 * @param target the value of `$keygate_target` (nginx/snippets/asking.conf), or `usual`. Spaces separate the value's
 * parts: `=` with the client's identity headers, the Host header, the host that nginx took, and the target as sent.
 * @returns the reason to refuse it, or undefined
 */
export function checkTarget(target: string, settings: TargetSettings): Reason | undefined {
  if (target === usualTarget || isUsualTarget(target)) return undefined;
  if (!allowed.test(target)) return explainRefused(target);
  const path = withoutQuery(target.slice(target.lastIndexOf(' ') + 1));
  return settings.hidesTokenRoute && namesTokenRoute(path) ? 'hidden_route' : undefined;
}

function explainRefused(target: string): Reason {
  if (target.charAt(0) !== '=') return 'bad_target'; // not from asking.conf
  if (target.charAt(1) !== ' ') return 'identity_header';
  const [, header = '', host = ''] = target.split(' ');
  return /[^A-Za-z0-9._:[\]-]/.test(header + host) ? 'bad_host' : 'bad_target';
}

const maxDecodings = 5;

/**
 * Whether any upstream could take a path for its `/token`. nginx may cut a prefix off after the decision
 * (`proxy_pass http://up/;`), so only the last segment counts. The path is decoded until decoding changes nothing.
 */
export function namesTokenRoute(path: string): boolean {
  let current = path;
  for (let i = 0; i < maxDecodings; i++) {
    if (lastSegment(current).toLowerCase() === 'token') return true;
    const decoded = decodeOnce(current);
    if (decoded === current) return false;
    current = decoded;
  }
  return true;
}

function withoutQuery(target: string): string {
  const end = target.search(/[?#]/);
  return end < 0 ? target : target.slice(0, end);
}

// The last segment that remains once dot segments, empty segments and path parameters are gone.
function lastSegment(path: string): string {
  const segments = path.replace(/\\/g, '/').split('/');
  let skip = 0;
  for (let i = segments.length - 1; i >= 0; i--) {
    const segment = (segments[i] as string).replace(/[;?#][\s\S]*$/, '').replace(/[\x00-\x20\x7f]+/g, '');
    if (segment === '' || segment === '.') continue;
    if (segment === '..') skip++;
    else if (skip > 0) skip--;
    else return segment;
  }
  return '';
}

function decodeOnce(path: string): string {
  return path.replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
}
