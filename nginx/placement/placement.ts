// The faults of an operator's configuration: lines of Keygate's in the wrong place, and lines of the operator's that
// open what is guarded. nginx itself reports no such line.

import type { Configuration } from '../configuration/configuration.js';
import { flatten, type Directive } from '../configuration/directives.js';
import {
  askedIn,
  hasInclude,
  quote,
  readLevels,
  readPath,
  withInner,
  type Finding,
  type Level,
  serverOf,
} from '../configuration/levels.js';
import { checkInheriting, checkQuestions, checkTwice, checkUnasked, takesOurPages } from './answers.js';
import { checkHeaders, passingOf } from './headers.js';
import { checkHttp, checkServer } from './servers.js';
import { checkQuestion, checkSettings, endsLines } from './settings.js';

export interface Fault {
  /** The file, and the line in it, that is to be changed. The file is empty where it is not known. */
  file: string;
  line: number;
  /** A sentence, with the server or location that it is about. */
  problem: string;
}

/** Finds the faults, each of them once. */
export function checkPlacement(configuration: Configuration): Fault[] {
  const http = readLevels(configuration);
  const faults: Fault[] = [];
  const told = new Map<Directive, string[]>(); // a line of a server may be to blame in many of its locations
  for (const level of http === undefined ? [] : withInner(http)) {
    for (const { at, problem } of checkLevel(level, configuration)) {
      const before = told.get(at) ?? [];
      told.set(at, [...before, problem]);
      if (!before.includes(problem))
        faults.push({ file: at.file, line: at.line, problem: `${level.name}: ${problem}` });
    }
  }
  return faults;
}

function checkLevel(level: Level, configuration: Configuration): Finding[] {
  if (level.kind === 'http') return checkHttp(level);
  if (level.kind === 'server') return checkServer(level);
  if (hasInclude(level, 'ask.conf')) return checkQuestion(level, configuration);
  const asked = askedIn(level);
  const headers = () => checkHeaders(level, configuration);
  if (asked.who === 'open') return [...checkQuestions(level), ...checkOpen(level), ...headers()];
  if (asked.who !== 'keygate') return checkQuestions(level);
  const guarding =
    asked.level === level
      ? checkGuarding(level, asked.guard)
      : [...checkInheriting(level, asked), ...checkSubrequests(level, asked.guard)];
  return [...guarding, ...checkCut(level, configuration), ...checkSettings(level), ...headers()];
}

// For a location that includes a guard itself, or asks by an auth_request of its own.
function checkGuarding(level: Level, guard: string): Finding[] {
  const place = level.includes.indexOf(guard);
  if (guard === '')
    return [
      {
        at: level.directive,
        problem:
          'it asks, but no guard_location.conf is around it: no identity, refusals by nginx, and subrequests get ' +
          'in unasked',
      },
    ];
  const early = level.lines.slice(0, place).find((one) => endsLines(one) || takesOurPages(one));
  const findings =
    early === undefined ? [] : [{ at: early, problem: `${quote(early)} comes before the guard, which must be first` }];
  return [...findings, ...checkTwice(level, guard), ...checkUnasked(level)];
}

// nginx runs the `if` of a guard only for the location in which it stands, and not for a location nested in that.
function checkSubrequests({ directive, lines }: Level, guard: string): Finding[] {
  if (guard === 'guard.conf' || lines.some(({ words }) => words[1] === '($request_length')) return [];
  const cure =
    guard === 'guard_location.conf' ? 'it needs the same include' : 'add `if ($request_length = 0) { return 403; }`';
  return [{ at: directive, problem: `a subrequest (SSI, mirror, a script) gets in unasked: ${cure}` }];
}

// guard.conf refuses identity headers for the whole server; elsewhere the `if` of open.conf refuses them.
function checkOpen(level: Level): Finding[] {
  if (hasInclude(serverOf(level), 'guard.conf')) return [];
  const place = level.includes.indexOf('open.conf');
  const early = level.lines.slice(0, Math.max(place, 0)).find(endsLines);
  if (early === undefined || passingOf(level).length === 0) return [];
  return [
    {
      at: early,
      problem: `${quote(early)} comes before open.conf, so that a client's own X-Auth-User goes on to the application`,
    },
  ];
}

// proxy_pass with a path replaces as many characters as the location has: with /api, /apitoken becomes /token.
function checkCut(level: Level, { all, settings }: Configuration): Finding[] {
  if (!hidesTokenRoute([...settings, ...all])) return [];
  const { modifier, path } = readPath(level);
  const at = level.lines.find(({ words }) => words[0] === 'proxy_pass');
  const pass = at?.words[1] ?? '';
  const isPrefix = modifier === '' || modifier === '^~';
  if (at === undefined || !isPrefix || path.endsWith('/') || !/^https?:\/\/[^/]+\/(?:.*\/)?$/.test(pass)) return [];
  return [
    {
      at,
      problem:
        `\`proxy_pass ` +
        `${pass}\` makes /token of ${path}token, which is then the upstream's own: write \`location ${path}/\``,
    },
  ];
}

function hidesTokenRoute(directives: Directive[]): boolean {
  return flatten(directives).some(
    ({ words }) => words[1] === '$keygate_hide_token_route' && /^"?on"?$/.test(words[2] ?? ''),
  );
}
