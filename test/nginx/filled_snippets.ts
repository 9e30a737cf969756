// The snippets as an installation gets them, for tests that read what nginx would read.

import { join } from 'node:path';
import { snippetFiles } from '../../nginx/snippet_files.js';

/** All of them, by name, for the newest nginx. */
export const filledSnippets = snippetFiles({
  sourceDir: join(import.meta.dirname, '../../nginx'),
  engine: 'qjs',
  nginxVersion: '1.30.6',
  decisionAddress: '127.0.0.1:9147',
  decisionSecret: 'none',
});

/** @returns the text of a snippet */
export function readSnippet(name: string): string {
  const text = filledSnippets[name];
  if (text === undefined) throw new Error(`there is no ${name}`);
  return text;
}
