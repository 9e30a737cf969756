// Where in an operator's files the lines go that are still missing: for each server that passes requests on to an
// application its guard, and for each guarded location that does so the header file that fits.

import { join } from 'node:path';
import { inPlace, type Configuration } from '../configuration/configuration.js';
import { parseDirectives, type Directive } from '../configuration/directives.js';
import { askedIn, hasInclude, quote, readLevels, readPath, withInner, type Level } from '../configuration/levels.js';
import { linesToAdd, type LinesToAdd, type Wanted } from './lines_to_add.js';
import { readOperatorConfig } from '../configuration/operator_config.js';
import { checkPlacement, type Fault } from './placement.js';
import { oneQuestion } from './answers.js';
import { isForeign, passingOf, type Passing } from './headers.js';

/** Lines for one place. */
export interface PlacedLines {
  context: keyof LinesToAdd;
  /** Empty where the file is not known. */
  file: string;
  /** The line after which they go; 0 for the top of the file. */
  line: number;
  /** The text in that line that they go behind; undefined where they go after the whole line. */
  behind?: string;
  /** The server or location that they are for. */
  of: string;
  lines: string[];
}

export interface Placed {
  places: PlacedLines[];
  /** Lines whose places only the operator knows, by context. */
  lines: LinesToAdd;
  /** What else is to be changed, once the lines are there. */
  faults: Fault[];
}

/** Finds what is missing, and where it goes. */
export function placeLines(wanted: Wanted, given: Configuration): Placed {
  const configuration = structuredClone(given);
  const all = linesToAdd(wanted, readOperatorConfig(configuration));
  const http = readLevels(configuration);
  if (http === undefined) return { places: [], lines: all, faults: [] };
  const top = { context: 'main' as const, file: configuration.mainFile, line: 0, of: '', lines: all.main };
  const guards = [...put(http, forHttp(http, all)), ...http.inner.flatMap((one) => put(one, forServer(one, all)))];
  const levels = () => withInner(readLevels(configuration) as Level); // with the lines that were put so far
  const locations = levels().filter(({ kind }) => kind === 'location');
  const inLocations = locations.flatMap((one) => forLocation(one, wanted, all).flatMap((adding) => put(one, adding)));
  const isNew = guards.some(({ context }) => context === 'server');
  const isGuarded = isNew || levels().some((one) => askedIn(one).who === 'keygate');
  return {
    places: distinct([...(all.main.length === 0 ? [] : [top]), ...guards, ...inLocations]),
    lines: isGuarded ? { ...nothing, open: isNew ? all.open : [] } : { ...all, main: [], http: [] },
    faults: [...withOtherQuestions(http), ...checkPlacement(configuration)],
  };
}

const nothing: LinesToAdd = { main: [], http: [], server: [], passing: [], open: [] };

/** Lines for a level: they go after the last directive that `follows` names, else they are its first lines. */
interface Adding {
  context: keyof LinesToAdd;
  lines: string[];
  follows?: (one: Directive) => boolean;
}

/** Puts lines into the tree, and says where that is in the file. */
function put(level: Level, { context, lines, follows = () => false }: Adding): PlacedLines[] {
  const { block = [], file, open = 0, end } = level.directive;
  if (lines.length === 0) return [];
  const index = block.map((one) => inPlace([one]).some(follows)).lastIndexOf(true) + 1;
  const before = block[index - 1];
  const line = before?.end ?? open;
  const isMidLine = (block[index]?.line ?? end) === line;
  const added = parseDirectives(lines.join('\n')).map((one) => ({ ...one, file, line, end: line }));
  block.splice(index, 0, ...added);
  const behind = before === undefined ? '`{`' : quote(before);
  return [{ context, file, line, ...(isMidLine ? { behind } : {}), of: level.name, lines }];
}

// A file that is included twice has its lines added once.
function distinct(places: PlacedLines[]): PlacedLines[] {
  const keys = places.map(({ file, line, lines }) => JSON.stringify([file, line, lines]));
  return places.filter((_, index) => keys.indexOf(keys[index] as string) === index);
}

// nginx takes no map_hash_... after a map; servers come after http.conf.
function forHttp(http: Level, { http: lines }: LinesToAdd): Adding {
  const hasOurs = hasInclude(http, 'http.conf', 'asking.conf');
  const server = http.inner[0]?.directive;
  const early = http.lines.slice(0, server === undefined ? undefined : http.lines.indexOf(server));
  const isHash = (one: Directive) => /^map_hash_/.test(one.words[0] ?? '') && early.includes(one);
  return {
    context: 'http',
    lines: hasOurs ? lines.filter((line) => !line.includes('/http.conf;')) : lines,
    follows: isHash,
  };
}

function forServer(server: Level, { server: lines }: LinesToAdd): Adding {
  const locations = withInner(server);
  const isOurs = hasInclude(server, 'guard.conf', 'locations.conf') || ownQuestion(server) !== undefined;
  const isOpen = locations.some((one) => hasInclude(one, 'guard_location.conf', 'guard_access.conf'));
  const isApplication = locations.some((one) => passingOf(one).length > 0);
  if (isOurs || !(isOpen || isApplication)) return { context: 'server', lines: [] };
  return {
    context: 'server',
    lines: isOpen ? [lines[0]?.replace('/guard.conf', '/locations.conf') ?? ''] : lines,
  };
}

const ownQuestion = (level: Level) => level.lines.find(({ words }) => words[0] === 'auth_request');

function withOtherQuestions(http: Level): Fault[] {
  return http.inner.flatMap((server) => {
    const at = ownQuestion(server);
    if (at === undefined || hasInclude(server, 'guard.conf', 'locations.conf')) return [];
    return [
      {
        file: at.file,
        line: at.line,
        problem:
          `${server.name}: ${quote(at)} asks already, and nginx says \`"auth_request" directive is ` +
          `duplicate\` of guard.conf beside it: ${oneQuestion}`,
      },
    ];
  });
}

function forLocation(level: Level, wanted: Wanted, { open }: LinesToAdd): Adding[] {
  if (askedIn(level).who !== 'keygate') return [];
  if (/\/\.well-known\/acme-challenge/.test(readPath(level).path)) return [{ context: 'open', lines: open }];
  const lacking = passingOf(level).filter(({ hasFile }) => !hasFile);
  const files = [...new Set(lacking.map(({ protocol }) => protocol.file))];
  return files.map((file) => {
    const passing = lacking.find(({ protocol }) => protocol.file === file) as Passing;
    const lines = [...linesToRepeat(level, passing), `include ${join(wanted.dir, file)};`];
    return { context: 'passing', lines, follows: ({ words }) => words[0] === passing.protocol.header };
  });
}

// A location with a header line of its own inherits no header line.
function linesToRepeat(level: Level, { from, protocol }: Passing): string[] {
  if (from === level) return [];
  const isHeader = ({ words }: Directive) => words[0] === protocol.header;
  return (from.directive.block ?? []).flatMap((one) => {
    const brought = inPlace(one.included ?? []);
    const isWhole = brought.length > 0 && brought.every((line) => isHeader(line) && !isForeign(line));
    if (isWhole) return [`${one.words.join(' ')};`];
    const lines = [one, ...brought].filter((line) => isHeader(line) && !isForeign(line));
    return lines.map(({ words }) => `${words.join(' ')};`);
  });
}
