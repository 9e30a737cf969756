// An operator's configuration as one tree, read from the text of `nginx -T`, which prints file after file: what an
// `include` names stands in its place, so that each directive is seen in its server and location.

import { basename, dirname, isAbsolute, join, normalize } from 'node:path';
import { flatten, parseDirectives, unquote, type Directive } from './directives.js';

export interface Configuration {
  /** The folder that `keygate install` wrote, by the path that nginx sees. */
  dir: string;
  /** The main file; empty where the text does not name it. */
  mainFile: string;
  /** The main file's directives. An `include` of a file of Keygate's brings nothing: its name says enough. */
  top: Directive[];
  /** Every directive of every file but Keygate's own, nested directives too. */
  all: Directive[];
  /** Every directive of settings.conf. */
  settings: Directive[];
}

/**
 * Builds the tree.
 * @param dump what `nginx -T` printed, or one file
 * @param dir the folder that `keygate install` wrote, absolute
 */
export function readConfiguration(dump: string, dir: string): Configuration {
  const directives = parseDirectives(dump);
  const mainFile = directives.find(({ file }) => file !== '')?.file ?? '';
  const files: { [path: string]: Directive[] } = {};
  for (const one of directives) (files[one.file] ??= []).push(one);
  const configuration = { dir, mainFile, top: files[mainFile] ?? [] };
  const all = flatten(directives.filter(({ file }) => !isWithin(file, dir)));
  const settings = flatten(files[join(dir, 'settings.conf')] ?? []);
  resolveIncludes(configuration, configuration.top, { files, open: [mainFile] });
  return { ...configuration, all, settings };
}

function isWithin(path: string, dir: string): boolean {
  return normalize(path).startsWith(join(dir, '/'));
}

interface Resolving {
  files: { [path: string]: Directive[] };
  /** The files that are being read: an `include` of such a file would have no end. */
  open: string[];
}

function resolveIncludes(
  configuration: Pick<Configuration, 'dir' | 'mainFile'>,
  block: Directive[],
  { files, open }: Resolving,
): void {
  for (const one of block) {
    if (one.block !== undefined) resolveIncludes(configuration, one.block, { files, open });
    if (one.words[0] !== 'include' || nameOfOurs(one, configuration) !== '') continue;
    const pattern = fullPath(one, configuration.mainFile);
    const named = Object.keys(files)
      .filter((path) => normalize(path) === normalize(pattern) || isGlobOf(pattern, path))
      .sort();
    const others = named.filter((path) => path !== '' && !open.includes(path));
    for (const path of others)
      resolveIncludes(configuration, files[path] as Directive[], { files, open: [...open, path] });
    one.included = others.flatMap((path) => files[path] as Directive[]);
  }
}

// glob(3): no wildcard takes a slash, nor a dot at the start of a name.
function isGlobOf(pattern: string, path: string): boolean {
  if (!/[*?[]/.test(pattern)) return false;
  const source = pattern.replace(
    /\\(.)|\[(!?)(\]?[^\]]*)\]|[^]/g,
    (...[part, escaped, not, set]: (string | undefined)[]) => {
      if (escaped !== undefined) return literal(escaped);
      if (set !== undefined) return `(?!/)[${not === '' ? '' : '^'}${set.replace(/[\\\]^]/g, '\\$&')}]`;
      return part === '*' ? '[^/]*' : part === '?' ? '[^/]' : literal(part as string);
    },
  );
  const names = (text: string) => text.split('/');
  const isHidden = (name: string, at: number) => name.startsWith('.') && !names(pattern)[at]?.startsWith('.');
  return new RegExp(`^${source}$`).test(path) && !names(path).some(isHidden);
}

function literal(letter: string): string {
  return letter.replace(/[.*+?^${}()|[\]\\/]/, '\\$&');
}

/** nginx takes a relative path from the folder of its main file. */
function fullPath({ words }: Directive, mainFile: string): string {
  const path = unquote(words[1]);
  return isAbsolute(path) || mainFile === '' ? path : join(dirname(mainFile), path);
}

type Folder = Pick<Configuration, 'dir' | 'mainFile'>;

/** @returns the name of the file of Keygate's that a directive includes; empty where it does not */
export function nameOfOurs(one: Directive, { dir, mainFile }: Folder): string {
  if (one.words[0] !== 'include') return '';
  const path = fullPath(one, mainFile);
  const isOurs = isAbsolute(path) ? isWithin(path, dir) : `${dir}/${basename(path)}`.endsWith(`/${path}`);
  return isOurs ? basename(path) : '';
}

/** The directives of a block with those of included files in their places, after their `include`. */
export function inPlace(block: Directive[]): Directive[] {
  return block.flatMap((one) => (one.included === undefined ? [one] : [one, ...inPlace(one.included)]));
}
