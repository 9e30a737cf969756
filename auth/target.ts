// Whether a request target may be judged at all, and whether it could reach the upstream's own /token,
// which hands out a secret (RFC 3986 section 6.2.2, WHATWG URL section 4.4).

import type { Reason } from './refusals.js';

/** What a target that nginx found unusual is judged by. */
export interface TargetFacts {
  /** The Host header and the host that nginx took from it or from the target, one after the other. */
  hosts: string;
  /** The path as nginx judges it, decoded once and after rewrites: `$uri`. */
  path: string;
  /** The target as the client sent it: `$request_uri`. */
  rawTarget: string;
}

/**
 * Checks the target of a request that would be proxied.
 * @returns the reason to refuse it, or undefined
 */
export function checkTarget(facts: TargetFacts): Reason | undefined {
  if (/[\x00-\x1f\x5c\x7f#]/.test(facts.rawTarget)) return 'bad_target';
  if (/[^A-Za-z0-9.:[\]-]/.test(facts.hosts)) return 'bad_host';
  if (namesTokenRoute(facts.path) || namesTokenRoute(withoutQuery(facts.rawTarget))) return 'not_found';
  return undefined;
}

const maxDecodings = 5;

/**
 * Whether any upstream could take a path for its `/token`. A prefix may be cut off after we have judged
 * (`proxy_pass http://up/;`), so only the last segment counts; decoded as often as it changes.
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
