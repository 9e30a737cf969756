// What answers in a guarded location in Keygate's place: before anybody is asked, or instead of a refusal
// (docs/nginx-traps.md, rules 2 and 10).

import { unquote, type Directive } from '../configuration/directives.js';
import {
  askedIn,
  hasInclude,
  quote,
  withConditions,
  type Asked,
  type Finding,
  type Level,
} from '../configuration/levels.js';

/** Why nginx refuses a second auth_request, and what to do; also for where nginx has reported it first. */
export const oneQuestion =
  'a location asks one question only: guard the other locations with locations.conf and guard_location.conf, or ' +
  'pass the request on to a server of your own that asks yours';

/** Finds what answers before anybody is asked, in a level or a part of it. */
export function checkUnasked(level: Level, after = 0): Finding[] {
  const lines = withConditions({ ...level, lines: level.lines.slice(after) });
  return lines.filter(answersUnasked).map((at) => ({ at, problem: `${quote(at)} answers before anything is decided` }));
}

// An error gives nothing away. A rewrite to another site is a redirect, whatever its flag.
function answersUnasked({ words }: Directive): boolean {
  if (words[0] === 'return') return !/^[45]\d\d$/.test(unquote(words[1]));
  if (words[0] !== 'rewrite') return false;
  return /^(?:redirect|permanent)$/.test(words[3] ?? '') || /^(?:https?:\/\/|\$scheme)/.test(unquote(words[2]));
}

/** Whether a line gives pages for Keygate's refusals: the first error_page for a status counts. */
export function takesOurPages({ words }: Directive): boolean {
  return words[0] === 'error_page' && words.some((word) => /^(?:401|403|500)$/.test(word));
}

/** Finds lines beside a guard that nginx takes only once in a level. */
export function checkTwice(level: Level, file: string): Finding[] {
  return level.lines.flatMap((at): Finding[] => {
    const says = `${quote(at)} stands beside ${file}, and nginx says \`"${at.words[0]}" directive is duplicate\``;
    if (at.words[0] === 'auth_request') return [{ at, problem: `${says}: ${oneQuestion}` }];
    return at.words[0] === 'satisfy' ? [{ at, problem: `${says}: take it out` }] : [];
  });
}

/** Finds what takes Keygate's place in a location that is guarded by what is around it. */
export function checkInheriting(level: Level, asked: Asked): Finding[] {
  return [...checkUnasked(level), ...checkSatisfy(level), ...checkPages(level), ...checkVerdict(level, asked)];
}

/** Finds a question of the operator's in the place of ours. */
export function checkQuestions(level: Level): Finding[] {
  const around = level.parent === undefined ? undefined : askedIn(level.parent);
  const at = level.lines.find(({ words }) => words[0] === 'auth_request');
  if (at === undefined || around?.who !== 'keygate' || askedIn(level).who === 'keygate') return [];
  if (hasInclude(level, 'open.conf')) return checkTwice(level, 'open.conf');
  const asked = unquote(at.words[1]);
  const what =
    asked === 'off'
      ? 'include open.conf instead'
      : asked.startsWith('/_keygate_ask')
        ? 'no location of that name includes ask.conf, so that your application answers it'
        : 'no credential is checked';
  return [{ at, problem: `${quote(at)} takes the place of Keygate's question: ${what}` }];
}

function checkSatisfy(level: Level): Finding[] {
  const own = level.lines.find(({ words }) => words[0] === 'satisfy');
  const lets = level.lines.find(
    ({ words }) => words[0] === 'allow' || (words[0] === 'auth_basic' && words[1] !== 'off'),
  );
  const whom = 'lets in without a credential whom an address or a password lets in';
  if (own?.words[1] === 'any') return [{ at: own, problem: `${quote(own)} ${whom}: take it out` }];
  if (own !== undefined || lets === undefined || !isAnyAround(level.parent)) return [];
  return [{ at: lets, problem: `${quote(lets)} under \`satisfy any\` ${whom}` }];
}

// guard.conf and its kin say `satisfy all`.
function isAnyAround(level: Level | undefined): boolean {
  if (level === undefined || askedIn(level).level === level) return false;
  const own = level.lines.find(({ words }) => words[0] === 'satisfy');
  return own === undefined ? isAnyAround(level.parent) : own.words[1] === 'any';
}

function checkPages({ lines, includes }: Level): Finding[] {
  const ours = includes.indexOf('errors.conf');
  const pages = lines.filter(({ words }) => words[0] === 'error_page');
  const at = lines.slice(0, ours < 0 ? lines.length : ours).find(takesOurPages);
  if (at !== undefined) {
    const status = /^=(2\d\d)$/.exec(at.words.find((word) => word.startsWith('=')) ?? '')?.[1];
    const as = status === undefined ? '' : `: a refusal is a ${status}`;
    return [{ at, problem: `${quote(at)} takes the place of Keygate's answer${as}` }];
  }
  if (pages[0] === undefined || ours >= 0) return [];
  return [
    {
      at: pages[0],
      problem: 'with an `error_page` of its own it answers refusals with pages of nginx: include errors.conf too',
    },
  ];
}

function checkVerdict(level: Level, { guard }: Asked): Finding[] {
  const named = (name: string) => level.lines.find(({ words }) => words[0] === name);
  if (guard === 'guard_access.conf') {
    const at = named('js_access');
    return at === undefined
      ? []
      : [{ at, problem: `${quote(at)} takes the place of Keygate's decision: no credential is checked` }];
  }
  const at = named('auth_request_set');
  return at === undefined
    ? []
    : [
        {
          at,
          problem:
            `${quote(at)} drops those of ${guard}: no identity reaches the application, and a 429 becomes ` +
            `a 403: put it beside ${guard}`,
        },
      ];
}
