// Keygate's settings in an operator's locations. A location's `set` holds in that location only: neither in a location
// nested there, nor where a regular expression takes a path (docs/nginx-traps.md, rule 6).

import { askedSettings } from '../../auth/location_settings.js';
import type { Configuration } from '../configuration/configuration.js';
import { unquote, type Directive } from '../configuration/directives.js';
import { askedIn, quote, readPath, serverOf, type Finding, type Level } from '../configuration/levels.js';

/** Settings that go with a question; an operator's own question (ask.conf) sets all of them. */
const asked: readonly string[] = askedSettings;
const inLocations = [...asked, 'forward_credential', 'oauth_servers', 'identity_headers', 'cors_preflight'];

/** The value of a setting in a level; undefined where the configuration does not give it. */
export function settingIn(level: Level, name: string, { settings, all }: Configuration): string | undefined {
  const isSet = ({ words }: Directive) => words[0] === 'set' && words[1] === `$keygate_${name}`;
  const set = level.lines.filter(isSet).at(-1) ?? serverOf(level).lines.filter(isSet).at(-1);
  if (set !== undefined) return unquote(set.words[2]);
  const variable = `$keygate_${name}`;
  const given = settings.find(({ words }) => words[0] === 'js_var' && words[1] === variable);
  if (given !== undefined) return unquote(given.words[2]);
  const map = all.find(({ words }) => words[0] === 'map' && words[2] === variable); // a copy of front_settings.conf
  return unquote(map?.block?.find(({ words }) => words[0] === 'default')?.words[1]) || undefined;
}

/** Finds `set` lines of a guarded location that do not hold where a reader expects them to hold. */
export function checkSettings(level: Level): Finding[] {
  const ended = level.lines.findIndex(
    (one) => endsLines(one) || (one.words[0] === 'rewrite' && one.words[3] === 'last'),
  );
  return level.lines.flatMap((at, place): Finding[] => {
    const name = /^\$keygate_(\w+)$/.exec(at.words[1] ?? '')?.[1] ?? '';
    if (at.words[0] !== 'set' || !inLocations.includes(name)) return [];
    if (ended >= 0 && ended < place) {
      const end = quote(level.lines[ended] as Directive);
      return [{ at, problem: `${quote(at)} does not hold: it comes after ${end}, after which nginx runs none` }];
    }
    const holdsIn = (one: Level) => one.lines.some(({ words }) => words[0] === 'set' && words[1] === at.words[1]);
    const elsewhere = [...nestedIn(level), ...takersFrom(level)];
    const loose = elsewhere.find((one) => !holdsIn(one) && !isSettled(one, name));
    if (loose === undefined) return [];
    const cure = asked.includes(name) ? 'a question of its own holds there too (ask.conf)' : 'set it there too';
    return [
      {
        at,
        problem:
          `${quote(at)} does not hold in ${loose.directive.words.join(' ')} (line ` +
          `${loose.directive.line}): ${cure}`,
      },
    ];
  });
}

/**
 * Whether nginx goes on with a request in the same location, but runs no later `set`, `if` and `rewrite` line of it.
 */
export function endsLines({ words }: Directive): boolean {
  return words[0] === 'break' || (words[0] === 'rewrite' && words[3] === 'break');
}

const nestedIn = (level: Level): Level[] => level.inner.flatMap((one) => [one, ...nestedIn(one)]);

// Whether a setting of another location does not matter in this location: nobody is asked, nobody is let in, or the
// question has settings of its own.
function isSettled(level: Level, name: string): boolean {
  const { who } = askedIn(level);
  const hasOwnQuestion = asked.includes(name) && level.lines.some(({ words }) => words[0] === 'auth_request');
  return who !== 'keygate' || isRefusing(level) || hasOwnQuestion;
}

/** Whether a location lets nobody in: `deny all`, or `return` with an error. */
export function isRefusing({ lines }: Level): boolean {
  const has = (name: string, value: RegExp) =>
    lines.some(({ words }) => words[0] === name && value.test(unquote(words[1])));
  return (has('deny', /^all$/) && !has('allow', /./)) || has('return', /^[45]\d\d$/);
}

/** Locations by regular expression that may take paths of a prefix: nginx tries them after it, unless it says `^~`. */
export function takersFrom(level: Level): Level[] {
  const { modifier, path } = readPath(level);
  if (modifier !== '' || level.parent === undefined) return [];
  const { parent } = level;
  const beside = parent.inner.filter((one) => /^~/.test(readPath(one).modifier) && mayMatch(readPath(one), path));
  return [...beside, ...(parent.kind === 'location' ? takersFrom(parent) : [])];
}

// A pattern that is anchored with plain text takes no paths of a prefix that it contradicts.
function mayMatch({ modifier, path: pattern }: { modifier: string; path: string }, prefix: string): boolean {
  const [, plain = '', next] = /^\^((?:[\w/-]|\\[.-])*)(.?)/.exec(pattern) ?? [];
  if (/\|/.test(pattern.replace(/\([^()]*\)/g, ''))) return true;
  const text = (/[?*{]/.test(next ?? '') ? plain.slice(0, -1) : plain).replaceAll('\\', '');
  const [a, b] = modifier === '~*' ? [text.toLowerCase(), prefix.toLowerCase()] : [text, prefix];
  return a.startsWith(b) || b.startsWith(a);
}

// Settings that are off unless somebody sets them: a question needs a line only where another location has one.
const isOffAtFirst = (name: string) =>
  /^(?:rate_limit_.*|credential_headers|jwt_providers|oauth_resource|client_certificates)$/.test(name);

/** Finds settings that an operator's own question (ask.conf) leaves to the `set` lines of another location. */
export function checkQuestion(level: Level, { all }: Configuration): Finding[] {
  const isSetIn = (lines: Directive[], name: string) =>
    lines.some(({ words }) => words[0] === 'set' && words[1] === `$keygate_${name}`);
  const isNeeded = (name: string) => !isOffAtFirst(name) || isSetIn(all, name);
  const missing = asked
    .filter((name) => isNeeded(name) && !isSetIn(level.lines, name))
    .map((name) => `$keygate_${name}`);
  if (missing.length === 0) return [];
  return [
    {
      at: level.directive,
      problem: `it sets no ${missing.join(', ')}: another location may have changed them: set it too`,
    },
  ];
}
