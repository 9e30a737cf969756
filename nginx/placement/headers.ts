// What a location sends with the requests that it passes on. Keygate's header file names the client to the application
// and drops the client's key. One header line of a level drops all inherited lines, Keygate's too (docs/nginx-traps.md,
// rule 7).

import { join } from 'node:path';
import type { Configuration } from '../configuration/configuration.js';
import { claimHeaderStart } from '../../auth/carried_claims.js';
import { headerVariable, usualHeaders } from '../../auth/credential_headers.js';
import { identityHeaders } from '../../auth/identity_headers.js';
import { unquote, type Directive } from '../configuration/directives.js';
import {
  askedIn,
  hasInclude,
  quote,
  serverOf,
  withConditions,
  type Finding,
  type Level,
} from '../configuration/levels.js';
import { settingIn } from './settings.js';

/** The names of a protocol's directives. */
export interface Protocol {
  pass: string;
  /** The directive that sends a header. */
  header: string;
  /** Keygate's file for it. */
  file: string;
}

const protocols = ['proxy', 'grpc', 'fastcgi', 'uwsgi', 'scgi'].map((name): Protocol => {
  const header = name === 'proxy' || name === 'grpc' ? `${name}_set_header` : `${name}_param`;
  return { pass: `${name}_pass`, header, file: `${name}_headers.conf` };
});

/** A line that passes requests on to an application. */
export interface Passing {
  at: Directive;
  protocol: Protocol;
  /** The level whose header lines are sent. */
  from: Level;
  /** The operator's header lines in that level. */
  lines: Directive[];
  /** Whether that level includes Keygate's file. */
  hasFile: boolean;
}

/** Finds where a level passes requests on, in its `if` and `limit_except` blocks too. */
export function passingOf(level: Level): Passing[] {
  return withConditions(level).flatMap((at) => {
    const protocol = protocols.find(({ pass }) => pass === at.words[0]);
    return protocol === undefined ? [] : [{ at, protocol, ...sentFrom(level, protocol) }];
  });
}

function sentFrom(level: Level, protocol: Protocol): Pick<Passing, 'from' | 'lines' | 'hasFile'> {
  const lines = level.lines.filter(({ words }) => words[0] === protocol.header);
  const hasFile = level.includes.includes(protocol.file);
  if (lines.length > 0 || hasFile || level.parent === undefined) return { from: level, lines, hasFile };
  return sentFrom(level.parent, protocol);
}

/** Finds headers that an application must not get, or gets twice. */
export function checkHeaders(level: Level, configuration: Configuration): Finding[] {
  const asked = askedIn(level);
  const isForwarding = settingIn(level, 'forward_credential', configuration) === 'on';
  const isDropping = settingIn(level, 'identity_headers', configuration) === 'drop';
  return passingOf(level).flatMap((passing) => {
    const { at, hasFile, protocol } = passing;
    const include = (name: string) => `add \`include ${join(configuration.dir, name)};\``;
    if (hasFile) return asked.who === 'open' ? [] : checkBeside(passing, isForwarding);
    if (isDropping)
      return [{ at, problem: `a client's own X-Auth-User goes on to the application: ${include(protocol.file)}` }];
    if (asked.who === 'open') {
      const isUnjudged = asked.level !== level && !hasInclude(serverOf(level), 'guard.conf');
      return isUnjudged
        ? [
            {
              at,
              problem:
                `a client's own X-Auth-User goes on to the application, as nginx hands no \`if\` of ` +
                `open.conf down: ${include('open.conf')}`,
            },
          ]
        : [];
    }
    if (isForwarding || endsKey(level, passing)) return [];
    return [
      {
        at,
        problem:
          `the client's key goes on to the ` +
          `application${explainDropping(level, passing)}: ${include(protocol.file)}`,
      },
    ];
  });
}

function explainDropping(level: Level, { from, lines: [first], protocol }: Passing): string {
  const { parent } = level;
  const isDropped = first !== undefined && from === level && parent !== undefined && sentFrom(parent, protocol).hasFile;
  return isDropped ? `, as ${quote(first)} drops the lines of the level around it` : '';
}

const keyHeaders = usualHeaders.map((name) => name.toLowerCase());
const keyVariable = new RegExp(`\\$\\{?(?:${usualHeaders.map(headerVariable).join('|')})\\b`, 'i');
const identityNames = [...identityHeaders.map(({ header }) => header.toLowerCase()), 'remote-user'];

/** The header that a line sends, in lower case: of HTTP_X_API_KEY, x-api-key. */
function headerOf({ words }: Directive): string {
  const name = unquote(words[1]).toLowerCase();
  return words[0]?.endsWith('_param') ? name.replace(/^http_/, '').replaceAll('_', '-') : name;
}

const valueOf = ({ words }: Directive) => words.slice(2).join(' ');

// A claim's header that ends as an empty one tells nothing.
function isIdentity(one: Directive): boolean {
  const name = headerOf(one);
  const isClaim = name.startsWith(claimHeaderStart.toLowerCase()) && unquote(valueOf(one)) !== '';
  return isClaim || identityNames.includes(name);
}

// An operator may drop the key without our file.
function endsKey(level: Level, { at, lines }: Passing): boolean {
  if (lines.some((one) => keyVariable.test(valueOf(one)))) return false;
  if (nearest(level, `${at.words[0]}_request_headers`) === 'off') return true;
  return keyHeaders.every((name) => lines.some((one) => headerOf(one) === name));
}

function nearest(level: Level, directive: string): string | undefined {
  const own = level.lines.find(({ words }) => words[0] === directive)?.words[1];
  return own ?? (level.parent === undefined ? undefined : nearest(level.parent, directive));
}

/** Whether a header line of the operator's has no place beside Keygate's file. */
export function isForeign(one: Directive): boolean {
  const isNamed = [...keyHeaders, 'x-request-id'].includes(headerOf(one));
  return isNamed || isIdentity(one) || keyVariable.test(valueOf(one));
}

// Header lines of the operator's beside Keygate's file.
function checkBeside({ from, lines, protocol }: Passing, forwards: boolean): Finding[] {
  const file = from.includes.indexOf(protocol.file);
  return lines.flatMap((at) => {
    const name = headerOf(at);
    const line = quote(at);
    if (name === 'x-request-id')
      return [{ at, problem: `${line} sends a second X-Request-Id beside that of ${protocol.file}: take it out` }];
    if (keyVariable.test(valueOf(at)) && !forwards)
      return [
        {
          at,
          problem:
            `${line} sends the client's key on to the application: take it out, or \`set ` +
            `$keygate_forward_credential on;\``,
        },
      ];
    // Of two parameters, applications take the last
    const isTaken = protocol.header.endsWith('_header') ? name !== 'remote-user' : from.lines.indexOf(at) > file;
    if (!isIdentity(at) || !isTaken) return [];
    return [{ at, problem: `${line} names another client than ${protocol.file} does: take it out` }];
  });
}
