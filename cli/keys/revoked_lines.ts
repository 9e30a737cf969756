// Which lines of a key file go when a key is revoked: all that could let its holder in again.

import type { KeyEntry } from '../../auth/key_entry.js';
import { parseKeyLine } from '../../auth/key_line.js';
import { nodePlatform } from '../../node/crypto.js';

export interface Revocation {
  /** The file's text without the lines. */
  text: string;
  /** How many lines that could be used, or only doubled another, are gone. */
  revoked: number;
  /** How many lines that could not be used are gone. */
  unusable: number;
  /** Hashes of the keys that no longer hold. */
  hashes: Set<string>;
}

interface Line {
  raw: string;
  /** What it says; a problem for a line that can't be used. */
  parsed: KeyEntry | { problem: string } | undefined;
}

/**
 * Takes lines out.
 * @param name whose: also lines of that name that can't be used now and could be one day, and lines of any other name
 *   with the same key, which counts as soon as the earlier line is gone; undefined for every line but comments
 */
export function revokeLines(text: string, name: string | undefined): Revocation {
  const lines = text.split('\n').map(readLine);
  const isNamed = ({ raw, parsed }: Line) =>
    parsed !== undefined && (name === undefined || nameOf(raw, parsed) === name);
  const hashes = new Set(lines.filter(isNamed).flatMap(({ parsed }) => hashOf(parsed)));
  const isDoomed = (line: Line) => isNamed(line) || hashOf(line.parsed).some((hash) => hashes.has(hash));
  const doomed = lines.filter(isDoomed);
  const revoked = doomed.filter(({ parsed }) => hashOf(parsed).length > 0).length;
  const kept = lines
    .filter((line) => !isDoomed(line))
    .map(({ raw }) => raw)
    .join('\n');
  const isEmpty = kept.replace(/^\ufeff/, '').trim() === ''; // a file of zero bytes keeps the keys before it
  return {
    text: isEmpty ? '# API keys, one a line\n' : kept,
    revoked,
    unusable: doomed.length - revoked,
    hashes,
  };
}

function readLine(raw: string): Line {
  const text = raw.replace(/^\ufeff/, '').trim();
  const isKey = text !== '' && !text.startsWith('#');
  return { raw, parsed: isKey ? parseKeyLine(text, 1, nodePlatform) : undefined };
}

function nameOf(raw: string, parsed: KeyEntry | { problem: string }): string | undefined {
  if (!('problem' in parsed)) return parsed.name;
  const text = raw.replace(/^\ufeff/, '').trim();
  return text.includes(':') ? text.slice(0, text.indexOf(':')) : undefined;
}

function hashOf(parsed: Line['parsed']): string[] {
  return parsed === undefined || 'problem' in parsed ? [] : [parsed.hash];
}
