// The files of a folder that an operator's nginx.conf includes: the shipped snippets with their references made
// absolute, and the bundle for one engine. Nothing is read but the package; nothing is written.

import { readFileSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { bundles, snippetFiles, type SnippetFacts } from './snippet_files.js';

export interface Installation extends Omit<SnippetFacts, 'sourceDir'> {
  /** The absolute folder that the files are for, such as /etc/nginx/keygate. */
  dir: string;
  /** What goes before the paths of routes.conf, such as /auth; empty for none. */
  prefix: string;
}

const packageDir = join(import.meta.dirname, '..');
/** The version of this package. */
export function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(join(packageDir, 'package.json'), 'utf8')) as {
    version: string;
  };
  return version;
}

// What would end a directive, start a variable or be a pattern in `include`.
const unsafe = /[\s"'`;{}$\\*?[\]#\x00-\x1f\x7f]/;
const addressForm = /^(?:[0-9.]+|\[[0-9a-f:]+\]|localhost):\d+$/;
const prefixForm = /^(?:\/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+$/;

/**
 * Renders every file of the folder.
 * @returns contents by file name; keygate.js is the bundle
 * @throws Error when the folder, the prefix or the address can't stand in nginx's configuration
 */
export function installedFiles(installation: Installation): { [name: string]: string } {
  const { dir, engine, prefix, decisionAddress } = installation;
  if (!isAbsolute(dir) || unsafe.test(dir)) {
    throw new Error(`${dir}: expected an absolute folder without white space, quotes or any of ;{}$\\*?[]#`);
  }
  if (prefix !== '' && !prefixForm.test(prefix)) {
    throw new Error(`prefix ${prefix}: expected a path such as /auth, without a slash at its end`);
  }
  const socket = /^unix:(\/.+)$/.exec(decisionAddress)?.[1];
  if (socket === undefined ? !addressForm.test(decisionAddress) : unsafe.test(socket)) {
    throw new Error(`decision ${decisionAddress}: expected 127.0.0.1:9147 or unix:/path`);
  }
  const files: { [name: string]: string } = {};
  const sourceDir = join(packageDir, 'nginx');
  for (const [name, text] of Object.entries(snippetFiles({ ...installation, sourceDir }))) {
    files[name] = text.replace(/(include |from )keygate\//g, (_, word: string) => `${word}${join(dir, '/')}`);
  }
  files['routes.conf'] = withPrefix(files['routes.conf'] as string, prefix);
  for (const name of bundles) {
    const built = engine === 'qjs' ? `${name}.js` : `${name}.es5.js`;
    files[`${name}.js`] = readFileSync(join(packageDir, 'dist', built), 'utf8');
  }
  return files;
}

function withPrefix(routes: string, prefix: string): string {
  return routes.replace(/^location = \//gm, `location = ${prefix}/`);
}
