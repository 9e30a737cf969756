// Where Keygate's lines stand in an operator's configuration, read from `nginx -T`: nginx itself takes them in any
// place, and in some they do not do what they say.

import { basename } from 'node:path';

interface Directive {
  words: string[];
  block: Directive[] | undefined;
}

const tokens = /#[^\n]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[;{}]|(?:\$\{[^}]*\}|\\.|[^\s;{}"'\\])+/gs;
const rewriting = ['rewrite', 'if', 'set', 'return', 'break'];

/**
 * Finds lines in places where they do not hold.
 * @param dump the text of `nginx -T`
 * @param dir the folder that `keygate install` wrote
 * @returns one sentence a fault, each with the server or location that it is in
 */
export function checkPlacement(dump: string, dir: string): string[] {
  const includes = ({ words: [word, path = ''] }: Directive, name: RegExp) =>
    word === 'include' && name.test(path) && (path.startsWith('/') ? path.startsWith(`${dir}/`) : `${dir}/${basename(path)}`.endsWith(`/${path}`)); // prettier-ignore
  const faults: string[] = [];
  const walk = (directives: Directive[], place: string, guardedBy: string) => {
    for (const one of directives) {
      if (one.block === undefined) continue;
      const name = one.words[0] === 'server' ? `server ${serverName(one.block)}` : one.words.join(' ');
      const here = one.words[0] === 'location' && place !== '' ? `${name} of ${place}` : name;
      if (one.words[0] === 'server') faults.push(...checkServer(one.block, here, includes));
      const guard =
        one.words[0] === 'location' ? checkLocation(one.block, { here, guardedBy, includes, faults }) : '';
      if (guard !== '') faults.push(...checkCut(one.block, one.words, here));
      walk(one.block, one.words[0] === 'server' ? name : place, guard);
    }
  };
  walk(parse(dump), '', '');
  return faults;
}

type Includes = (one: Directive, name: RegExp) => boolean;

function checkServer(block: Directive[], here: string, includes: Includes): string[] {
  const at = block.findIndex((one) => includes(one, /\/server\.conf$/));
  const before = block.slice(0, Math.max(at, 0)).find((one) => rewriting.includes(one.words[0] ?? ''));
  if (before === undefined) return [];
  return [`${here}: \`${before.words[0]}\` comes before server.conf, which must be first: with auth_request it could decide in Keygate's place`]; // prettier-ignore
}

interface Look {
  here: string;
  /** The guarded location around it; empty for none. */
  guardedBy: string;
  includes: Includes;
  faults: string[];
}

// Returns the guarded location for what is inside.
function checkLocation(block: Directive[], { here, guardedBy, includes, faults }: Look): string {
  const at = block.findIndex((one) => includes(one, /\/location(?:_auth_request)?\.conf$/));
  if (at < 0) {
    if (guardedBy !== '') faults.push(`${here}: it is inside ${guardedBy}, which is guarded, and needs the same include: it answers 500`); // prettier-ignore
    return guardedBy;
  }
  const early = block.slice(0, at).find(({ words }) => endsSetLines(words) || takesOurPages(words));
  if (early !== undefined)
    faults.push(`${here}: \`${early.words.join(' ')}\` comes before the guard, which must be first`);
  const open = block.find(answersUnasked);
  if (open !== undefined)
    faults.push(`${here}: \`${open.words.join(' ')}\` answers before anything is decided`);
  return here;
}

// nginx cuts a location's path off as so many characters: /api off /apitoken as well.
function checkCut(block: Directive[], words: string[], here: string): string[] {
  const path = words.at(-1) ?? '';
  const isPrefix = words.length === 2 || words[1] === '^~';
  const pass = block.find((one) => one.words[0] === 'proxy_pass')?.words[1] ?? '';
  if (!isPrefix || path.endsWith('/') || !/^https?:\/\/[^/]+\/(?:.*\/)?$/.test(pass)) return [];
  return [`${here}: \`proxy_pass ${pass}\` makes /token of ${path}token, which is then the upstream's own: write \`location ${path}/\``]; // prettier-ignore
}

function endsSetLines(words: string[]): boolean {
  return words[0] === 'break' || (words[0] === 'rewrite' && words[3] === 'break');
}

// The first error_page for a status is the one that counts.
function takesOurPages(words: string[]): boolean {
  return words[0] === 'error_page' && words.some((word) => word === '403' || word === '500');
}

function answersUnasked({ words }: Directive): boolean {
  return words[0] === 'return' || (words[0] === 'rewrite' && /^(?:redirect|permanent)$/.test(words[3] ?? ''));
}

function serverName(block: Directive[]): string {
  const found =
    block.find((one) => one.words[0] === 'server_name') ?? block.find((one) => one.words[0] === 'listen');
  return found?.words.slice(1).join(' ') ?? '';
}

function parse(dump: string): Directive[] {
  const top: Directive[] = [];
  const stack = [top];
  let words: string[] = [];
  for (const [token] of dump.matchAll(tokens)) {
    if (token.startsWith('#')) continue;
    const current = stack.at(-1) ?? top;
    if (token === '}') {
      if (stack.length > 1) stack.pop();
    } else if (token === ';') {
      if (words.length > 0) current.push({ words, block: undefined });
    } else if (token === '{') {
      const block: Directive[] = [];
      current.push({ words, block });
      stack.push(block);
    } else {
      words.push(token);
      continue;
    }
    words = [];
  }
  return top;
}
