// Where Keygate's lines stand in an operator's configuration, read from `nginx -T`: nginx itself takes them in any
// place, and in some they do not do what they say.

import { basename } from 'node:path';
import { flatten, parseDirectives, type Directive } from './directives.js';

const rewriting = ['rewrite', 'if', 'set', 'return', 'break'];

/**
 * Finds lines in places where they do not hold.
 * @param dump the text of `nginx -T`
 * @param dir the folder that `keygate install` wrote
 * @returns one sentence a fault, each with the server or location that it is in
 */
export function checkPlacement(dump: string, dir: string): string[] {
  const top = parseDirectives(dump);
  const hidesTokenRoute = flatten(top).some(({ words }) => words[1] === '$keygate_hide_token_route' && /^"?on"?$/.test(words[2] ?? '')); // prettier-ignore
  const faults: string[] = [];
  const walk = (directives: Directive[], place: string, guard: string) => {
    for (const { words, block } of directives) {
      if (block === undefined) continue;
      const kind = words[0];
      const name = kind === 'server' ? `server ${serverName(block)}` : words.join(' ');
      const here = kind === 'location' && place !== '' ? `${name} of ${place}` : name;
      const look = { block, includes: namesOfIncludes(block, dir), guard };
      const seen = kind === 'server' ? checkServer(look) : kind === 'location' ? checkLocation(look) : { faults: [], guard }; // prettier-ignore
      if (kind === 'location' && seen.guard !== '' && hidesTokenRoute)
        seen.faults.push(...checkCut(block, words));
      faults.push(...seen.faults.map((fault) => `${here}: ${fault}`));
      walk(block, kind === 'server' ? name : place, seen.guard);
    }
  };
  walk(top, '', '');
  return faults;
}

/** A block and what holds around it. */
interface Look {
  block: Directive[];
  /** For each directive the file of ours that it includes, or an empty text. */
  includes: string[];
  /** The file that guards what is around it; empty for none. */
  guard: string;
}

interface Seen {
  faults: string[];
  /** The file that guards what is inside, unless that says otherwise. */
  guard: string;
}

function namesOfIncludes(block: Directive[], dir: string): string[] {
  return block.map(({ words: [word, path = ''] }) => {
    const isOurs = path.startsWith('/') ? path.startsWith(`${dir}/`) : `${dir}/${basename(path)}`.endsWith(`/${path}`); // prettier-ignore
    return word === 'include' && isOurs ? basename(path) : '';
  });
}

function checkServer({ block, includes }: Look): Seen {
  const at = includes.findIndex((name) => name === 'guard.conf' || name === 'locations.conf');
  if (at < 0) return { faults: [], guard: '' };
  const isGuarded = includes[at] === 'guard.conf';
  const early = block.slice(0, at).find(({ words }) => rewriting.includes(words[0] ?? '') || (isGuarded && takesOurPages(words))); // prettier-ignore
  const faults = early === undefined ? [] : [`\`${early.words[0]}\` comes before ${includes[at]}, which must be first: it could decide in Keygate's place`]; // prettier-ignore
  return isGuarded
    ? { faults: [...faults, ...checkUnasked(block.slice(at))], guard: 'guard.conf' }
    : { faults, guard: '' };
}

function checkLocation(look: Look): Seen {
  const { block, includes } = look;
  const at = includes.findIndex((name) => name === 'guard_location.conf' || name === 'guard_access.conf');
  if (at < 0) return look.guard !== '' ? checkInheriting(look) : { faults: [], guard: '' };
  const early = block.slice(0, at).find(({ words }) => endsSetLines(words) || takesOurPages(words));
  const faults = early === undefined ? [] : [`\`${early.words.join(' ')}\` comes before the guard, which must be first`]; // prettier-ignore
  return { faults: [...faults, ...checkUnasked(block)], guard: includes[at] as string };
}

// A location that is guarded by what is around it.
function checkInheriting({ block, includes, guard }: Look): Seen {
  if (includes.includes('open.conf')) return { faults: [], guard: '' };
  const asks = block.find(({ words }) => words[0] === 'auth_request');
  if (asks !== undefined)
    return { faults: [`\`${asks.words.join(' ')}\` takes the place of Keygate's question: ${asks.words[1] === 'off' ? 'include open.conf instead' : 'no credential is checked'}`], guard: '' }; // prettier-ignore
  const ours = includes.indexOf('errors.conf');
  const pages = block.filter(({ words }) => words[0] === 'error_page');
  const early = block.slice(0, ours < 0 ? block.length : ours).find(({ words }) => takesOurPages(words));
  const faults = checkUnasked(block);
  if (early !== undefined) faults.push(`\`${early.words.join(' ')}\` takes the place of Keygate's answer`);
  else if (pages.length > 0 && ours < 0)
    faults.push('with an `error_page` of its own it answers refusals with pages of nginx: include errors.conf too'); // prettier-ignore
  if (guard !== 'guard.conf' && !block.some(({ words }) => words[1] === '($request_length'))
    faults.push(`a subrequest (SSI, mirror, a script) gets in unasked: ${guard === 'guard_location.conf' ? 'it needs the same include' : 'add `if ($request_length = 0) { return 403; }`'}`); // prettier-ignore
  return { faults, guard };
}

function checkUnasked(block: Directive[]): string[] {
  const open = block.find(answersUnasked);
  return open === undefined ? [] : [`\`${open.words.join(' ')}\` answers before anything is decided`];
}

// nginx cuts a location's path off as so many characters: /api off /apitoken as well.
function checkCut(block: Directive[], words: string[]): string[] {
  const path = words.at(-1) ?? '';
  const isPrefix = words.length === 2 || words[1] === '^~';
  const pass = block.find((one) => one.words[0] === 'proxy_pass')?.words[1] ?? '';
  if (!isPrefix || path.endsWith('/') || !/^https?:\/\/[^/]+\/(?:.*\/)?$/.test(pass)) return [];
  return [`\`proxy_pass ${pass}\` makes /token of ${path}token, which is then the upstream's own: write \`location ${path}/\``]; // prettier-ignore
}

function endsSetLines(words: string[]): boolean {
  return words[0] === 'break' || (words[0] === 'rewrite' && words[3] === 'break');
}

// The first error_page for a status is the one that counts.
function takesOurPages(words: string[]): boolean {
  return words[0] === 'error_page' && words.some((word) => /^(?:401|403|500)$/.test(word));
}

// An error gives nothing away.
function answersUnasked({ words }: Directive): boolean {
  if (words[0] === 'return') return !/^[45]\d\d$/.test(words[1] ?? '');
  return words[0] === 'rewrite' && /^(?:redirect|permanent)$/.test(words[3] ?? '');
}

function serverName(block: Directive[]): string {
  const found =
    block.find((one) => one.words[0] === 'server_name') ?? block.find((one) => one.words[0] === 'listen');
  return found?.words.slice(1).join(' ') ?? '';
}
