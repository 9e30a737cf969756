// Whether a request target may be judged at all, and whether it could reach the upstream's own /token,
// which hands out a secret (RFC 3986 section 6.2.2, WHATWG URL section 4.4).

import type { Reason } from './refusals.js';

/** What a location asks of the target of its requests. */
export interface TargetSettings {
  /** Whether the upstream's own /token is hidden: copilot-api gives its GitHub token away there. */
  hidesTokenRoute: boolean;
}

/**
 * What nearly every target looks like: no identity claimed, two plain hosts, a path without an escape or `token`. As a
 * pattern that JavaScript and nginx (PCRE) read alike: nginx tries it before us (nginx/snippet_files.ts).
 */
export const usualTargetPattern =
  '^= [A-Za-z0-9._:\\[\\]-]* [A-Za-z0-9._:\\[\\]-]* (?![^?]*(?:%|[Tt][Oo][Kk][Ee][Nn]))[^\\x00-\\x20\\x5c\\x7f#]*$';

/** What stands for such a target where nginx has found one: no target begins so. */
export const usualTarget = 'usual';

// Compiled when it is first needed: nginx has tried it before. Most requests have the target of the one before.
const compiled: { usual: RegExp | undefined } = { usual: undefined };
const latest = { target: '' };

/** Whether a target needs no closer look, whatever a location asks of targets. */
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
 * @param target what `$keygate_target` holds (nginx/snippets/asking.conf), with spaces between: `=` and the identity
 * headers that the client sent, the Host header, the host that nginx took from it or from the target, the target as the
 * client sent it; or `usual`, where nginx found one of that kind
 * @returns the reason to refuse it, or undefined
 */
export function checkTarget(target: string, settings: TargetSettings): Reason | undefined {
  if (target === usualTarget || isUsualTarget(target)) return undefined;
  if (!allowed.test(target)) return explainRefused(target);
  const path = withoutQuery(target.slice(target.lastIndexOf(' ') + 1));
  return settings.hidesTokenRoute && namesTokenRoute(path) ? 'hidden_route' : undefined;
}

function explainRefused(target: string): Reason {
  if (target.charAt(0) !== '=') return 'bad_target'; // nothing of ours
  if (target.charAt(1) !== ' ') return 'identity_header';
  const [, header = '', host = ''] = target.split(' ');
  return /[^A-Za-z0-9._:[\]-]/.test(header + host) ? 'bad_host' : 'bad_target';
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
