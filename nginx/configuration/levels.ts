// The levels of an operator's configuration (http, its servers, their locations), and who is asked about a request that
// arrives in a location: nginx hands auth_request, js_access and header lines down, but not `set`, `if` and `rewrite`.

import { inPlace, nameOfOurs, type Configuration } from './configuration.js';
import { unquote, type Directive } from './directives.js';

export interface Level {
  kind: 'http' | 'server' | 'location';
  /** Its name in messages, such as `location /api/ of server a.example`. */
  name: string;
  /** The directive whose block it is. */
  directive: Directive;
  /** Its own directives, with those of included files in their places. */
  lines: Directive[];
  /** For each line the file of Keygate's that the line includes, or an empty text. */
  includes: string[];
  /** The level around this level; undefined for http. */
  parent: Level | undefined;
  /** The servers or locations directly in it. */
  inner: Level[];
}

/** @returns the http level, or undefined where there is none */
export function readLevels(configuration: Configuration): Level | undefined {
  const http = inPlace(configuration.top).find(({ words, block }) => words[0] === 'http' && block !== undefined);
  return http === undefined ? undefined : readLevel(configuration, http, undefined);
}

function readLevel(configuration: Configuration, directive: Directive, parent: Level | undefined): Level {
  const lines = inPlace(directive.block ?? []);
  const kind = parent === undefined ? 'http' : parent.kind === 'http' ? 'server' : 'location';
  const includes = lines.map((one) => nameOfOurs(one, configuration));
  const name = nameLevel(kind, directive, { lines, parent });
  const level: Level = { kind, name, directive, lines, includes, parent, inner: [] };
  const innerKind = kind === 'http' ? 'server' : 'location';
  const inner = lines.filter(({ words, block }) => words[0] === innerKind && block !== undefined);
  level.inner = inner.map((one) => readLevel(configuration, one, level));
  return level;
}

function nameLevel(kind: Level['kind'], { words }: Directive, around: Pick<Level, 'lines' | 'parent'>): string {
  if (kind === 'http') return 'http';
  if (kind === 'location') return `${words.join(' ')} of ${serverOf(around.parent as Level).name}`;
  const named =
    around.lines.find((one) => one.words[0] === 'server_name') ?? around.lines.find((one) => one.words[0] === 'listen');
  return `server ${named?.words.slice(1).join(' ') ?? ''}`;
}

/** The server that a level is in, or is. */
export function serverOf(level: Level): Level {
  return level.kind === 'location' ? serverOf(level.parent as Level) : level;
}

/** A level and all levels within it. */
export function withInner(level: Level): Level[] {
  return [level, ...level.inner.flatMap(withInner)];
}

/** The directives of a level, those of its `if` and `limit_except` blocks too. */
export function withConditions({ lines }: Level): Directive[] {
  const isCondition = ({ words }: Directive) => words[0] === 'if' || words[0] === 'limit_except';
  return lines.flatMap((one) => (isCondition(one) ? [one, ...inPlace(one.block ?? [])] : [one]));
}

/** Whether a level includes a file of Keygate's itself. */
export function hasInclude(level: Level, ...names: string[]): boolean {
  return level.includes.some((name) => names.includes(name));
}

/** Who is asked about requests that arrive in a level. */
export interface Asked {
  /** `other`: an auth_request of the operator's has taken our place. */
  who: 'nobody' | 'keygate' | 'open' | 'other';
  /** The file that guards; empty where none does. */
  guard: string;
  /** The level whose lines decide it. */
  level: Level;
}

const guards = ['guard.conf', 'guard_location.conf', 'guard_access.conf'];

/** Finds who is asked: the nearest level with a guard, an open.conf or an auth_request decides. */
export function askedIn(level: Level): Asked {
  const guard = level.includes.find((name) => guards.includes(name));
  if (guard !== undefined) return { who: 'keygate', guard, level };
  if (hasInclude(level, 'open.conf')) return { who: 'open', guard: '', level };
  const around: Asked = level.parent === undefined ? { who: 'nobody', guard: '', level } : askedIn(level.parent);
  const own = level.lines.find(({ words }) => words[0] === 'auth_request');
  if (own === undefined || around.guard === 'guard_access.conf') return around; // js_access still asks
  const asked = unquote(own.words[1]);
  if (asked === 'off') return { who: around.who === 'nobody' ? 'nobody' : 'open', guard: '', level };
  if (!isOurQuestion(asked, serverOf(level))) return { who: 'other', guard: '', level };
  return { ...around, who: 'keygate', level: around.guard === '' ? level : around.level };
}

/** Whether a path is a question to Keygate: the usual one, or a location of the server with ask.conf. */
function isOurQuestion(path: string, server: Level): boolean {
  if (path === '/_keygate_ask') return hasInclude(server, 'guard.conf', 'locations.conf');
  return server.inner.some((one) => hasInclude(one, 'ask.conf') && readPath(one).path === path);
}

export interface Path {
  /** How nginx compares; empty for a prefix. */
  modifier: '' | '=' | '^~' | '~' | '~*' | '@';
  path: string;
}

/** Reads what a location is for; its modifier may be written against its path. */
export function readPath({ directive }: Level): Path {
  const [, first = '', second] = directive.words.map(unquote);
  const [, modifier = '', rest = ''] = /^(=|\^~|~\*?|@)?(.*)$/s.exec(second ?? first) ?? [];
  if (second !== undefined) return { modifier: first as Path['modifier'], path: second };
  return { modifier: modifier as Path['modifier'], path: modifier === '@' ? first : rest };
}

/** What is wrong at a directive; `problem` says it without the level's name. */
export interface Finding {
  at: Directive;
  problem: string;
}

/** A directive as messages show it. */
export function quote({ words }: Directive): string {
  const text = words.join(' ').replace(/\s+/g, ' ');
  return `\`${text.length > 80 ? `${text.slice(0, 77)}...` : text}\``;
}
