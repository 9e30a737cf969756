// What is wrong at the levels of http and of a server: what comes before our first line, or is missing for it, and what
// leads past a guarded location of a server that stays open.

import { unquote, type Directive } from '../configuration/directives.js';
import {
  askedIn,
  hasInclude,
  quote,
  readPath,
  withConditions,
  withInner,
  type Finding,
  type Level,
} from '../configuration/levels.js';
import { checkTwice, checkUnasked, takesOurPages } from './answers.js';
import { isRefusing, takersFrom } from './settings.js';

const ofGuards = ['guard.conf', 'locations.conf', 'guard_location.conf', 'guard_access.conf'];

/** Finds what the http level lacks, or has in the wrong order. */
export function checkHttp(http: Level): Finding[] {
  const ours = http.includes.findIndex((name) => name === 'http.conf' || name === 'asking.conf');
  const guarded = withInner(http).find((level) => hasInclude(level, ...ofGuards));
  if (ours < 0 && guarded !== undefined) {
    const place = guarded.includes.findIndex((name) => ofGuards.includes(name));
    return [
      {
        at: guarded.lines[place] as Directive,
        problem: `${guarded.includes[place]} needs \`include http.conf\` in http`,
      },
    ];
  }
  const misplaced = ours < 0 ? [] : http.lines.slice(ours).filter(({ words }) => /^map_hash_/.test(words[0] ?? ''));
  return misplaced.map((at) => ({
    at,
    problem:
      `${quote(at)} comes after ${http.includes[ours]}, which has maps, and nginx says \`"${at.words[0]}" ` +
      `directive is duplicate\`: put it first`,
  }));
}

/** Finds what is wrong in a server itself. */
export function checkServer(server: Level): Finding[] {
  const at = server.includes.findIndex((name) => name === 'guard.conf' || name === 'locations.conf');
  if (at < 0) return checkWithoutOurs(server);
  const file = server.includes[at] as string;
  const isGuarded = file === 'guard.conf';
  const early = server.lines.slice(0, at).find((one) => opens(one) !== '' || (isGuarded && takesOurPages(one)));
  const findings: Finding[] =
    early === undefined
      ? []
      : [
          {
            at: early,
            problem:
              `\`${early.words[0]}\` comes before ${file}, which must be first: ` +
              `${opens(early) || 'refusals are answered with that page'}`,
          },
        ];
  return isGuarded
    ? [...findings, ...checkTwice(server, file), ...checkUnasked(server, at)]
    : [...findings, ...server.inner.flatMap(withInner).flatMap(checkWaysPast)];
}

// A `rewrite`, `if`, `set`, `return` or `break` of a server runs for our question too.
function opens({ words }: Directive): string {
  const what: { [name: string]: string } = {
    rewrite: "it could decide in Keygate's place, by sending the question to your application, whose 200 admits",
    if: "it could decide in Keygate's place, by sending the question elsewhere or answering it: a 2xx admits",
    set: "it could decide in Keygate's place, as it runs for the question too",
    return: "it could decide in Keygate's place, as it answers the question too: a 2xx admits",
    break:
      "it could decide in Keygate's place, as it ends the lines that keep the question apart and refuse subrequests",
  };
  return what[words[0] ?? ''] ?? '';
}

function checkWithoutOurs(server: Level): Finding[] {
  const level = server.inner
    .flatMap(withInner)
    .find((one) => hasInclude(one, 'guard_location.conf', 'guard_access.conf'));
  return level === undefined
    ? []
    : [
        {
          at: level.directive,
          problem:
            `${quote(level.directive)} is guarded, but the server lacks \`include locations.conf\` as its ` +
            'first line: nginx answers 500 there',
        },
      ];
}

// In a server that stays open, a pattern may take paths of a guarded location, and a rewrite there may lead elsewhere:
// nobody is asked in either place.
function checkWaysPast(level: Level): Finding[] {
  if (!hasInclude(level, 'guard_location.conf', 'guard_access.conf')) return [];
  const isOpen = (one: Level) => askedIn(one).who === 'nobody' && !isRefusing(one);
  const takers = takersFrom(level).filter(isOpen);
  const { path } = readPath(level);
  const taken = takers.map((one) => ({
    at: one.directive,
    problem:
      `${quote(one.directive)} may take paths of ${path}, and nobody is asked there: write \`location ^~ ` +
      `${path}\`, or guard it too`,
  }));
  const led = withConditions(level).flatMap((at): Finding[] => {
    const target =
      at.words[0] === 'rewrite' && !/^(?:break|redirect|permanent)$/.test(at.words[3] ?? '')
        ? unquote(at.words[2])
        : undefined;
    const place = target === undefined ? undefined : findPrefix(level, /^[^$?]*/.exec(target)?.[0] || '/');
    return place === undefined || !isOpen(place)
      ? []
      : [{ at, problem: `${quote(at)} leads to ${place.directive.words.join(' ')}, where nobody is asked` }];
  });
  return [...taken, ...led];
}

/** The location of a level's server with the longest prefix that a path begins with. */
function findPrefix(level: Level, path: string): Level | undefined {
  const all = level.parent?.kind === 'location' ? level.parent : level;
  if (all !== level) return findPrefix(all, path);
  const prefixes = (level.parent?.inner ?? []).filter((one) => /^(?:\^~)?$/.test(readPath(one).modifier));
  const found = prefixes.filter((one) => path.startsWith(readPath(one).path));
  return found.sort((a, b) => readPath(b).path.length - readPath(a).path.length)[0];
}
