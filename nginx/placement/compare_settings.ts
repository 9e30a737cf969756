// What a settings.conf lacks, or has too much, beside the one that is shipped.

import { parseDirectives, unquote, type Directive } from '../configuration/directives.js';

/**
 * Compares the names that two versions of settings.conf set.
 * @returns a line for each difference; empty when nginx and Keygate find all that they need
 */
export function compareSettings(current: string, shipped: string): string[] {
  const has = variablesOf(current);
  const needs = variablesOf(shipped);
  const lines = Object.keys(needs)
    .filter((name) => has[name] === undefined)
    .map((name) => `lacks ${needs[name]?.words.join(' ')};`);
  for (const name of Object.keys(has)) {
    if (needs[name] === undefined) lines.push(`sets $${name}, which this version does not know`);
  }
  const upstream = parseDirectives(current).find(({ words }) => words.join(' ') === 'upstream keygate_sidecar');
  const server = upstream?.block?.find(({ words }) => words[0] === 'server')?.words[1];
  const told = has['keygate_sidecar'] === undefined ? undefined : unquote(has['keygate_sidecar'].words[2]);
  if (server === undefined) lines.push('lacks upstream keygate_sidecar { server ...; }');
  else if (told !== undefined && told !== server) {
    lines.push(`names two places of the sidecar: $keygate_sidecar is ${told}, upstream keygate_sidecar has ${server}`);
  }
  return lines;
}

/** The lines of Keygate's js_var variables in a file, by their names without the dollar sign. */
export function variablesOf(text: string): { [name: string]: Directive } {
  const found: { [name: string]: Directive } = {};
  for (const one of parseDirectives(text)) {
    const name = /^\$(keygate_\w+)$/.exec(one.words[1] ?? '')?.[1];
    if (one.words[0] === 'js_var' && name !== undefined) found[name] = one;
  }
  return found;
}
