// Which lines of a key file go with a name, and with them its keys.

import { nodePlatform } from '../../node/crypto.js';
import type { KeyEntry } from '../../auth/key_record.js';
import { parseKeyLine } from '../../auth/key_line.js';

export interface Revocation {
  /** The file's text without the lines. */
  text: string;
  /** How many lines with a valid entry are gone; a line that repeats another counts too. */
  revoked: number;
  /** How many lines that could not be used are gone. */
  unusable: number;
  /** Hashes of the keys that no longer hold. */
  hashes: Set<string>;
  /** What is gone, line by line. */
  removed: RemovedLine[];
}

export interface RemovedLine {
  /** Of a line that can't be used, only the name that was asked for: what stands before the colon may be a key. */
  subject: string | null;
  key_id: string | null;
  line: number;
  usable: boolean;
}

interface Line {
  raw: string;
  line: number;
  /** The entry, or the problem of a line that can't be used; undefined for a comment or an empty line. */
  parsed: KeyEntry | { problem: string } | undefined;
}

/**
 * Takes the lines of a name out, also lines that can't be used. Lines of other names with the same key go too: they
 * would count as soon as the earlier line is gone.
 * @param name whose lines; undefined for every line but comments
 * @param others hashes of keys that go wherever they stand
 */
export function revokeLines(text: string, name: string | undefined, others: Iterable<string> = []): Revocation {
  const lines = text.split('\n').map(readLine);
  const isNamed = ({ raw, parsed }: Line) =>
    parsed !== undefined && (name === undefined || nameOf(raw, parsed) === name);
  const hashes = new Set([...others, ...lines.filter(isNamed).flatMap(({ parsed }) => hashOf(parsed))]);
  const isDoomed = (line: Line) => isNamed(line) || hashOf(line.parsed).some((hash) => hashes.has(hash));
  const doomed = lines.filter(isDoomed);
  const revoked = doomed.filter(({ parsed }) => hashOf(parsed).length > 0).length;
  const kept = lines
    .filter((line) => !isDoomed(line))
    .map(({ raw }) => raw)
    .join('\n');
  const isEmpty = kept.replace(/^\ufeff/, '').trim() === ''; // zero bytes would keep the earlier keys
  return {
    text: isEmpty ? '# API keys, one a line\n' : kept,
    revoked,
    unusable: doomed.length - revoked,
    hashes,
    removed: doomed.map((one) => describeRemoved(one, name)),
  };
}

function describeRemoved({ line, parsed }: Line, named: string | undefined): RemovedLine {
  if (parsed === undefined || 'problem' in parsed) return { subject: named ?? null, key_id: null, line, usable: false };
  return describeEntry({ ...parsed, line });
}

/** What the audit log says of an entry that is gone. */
export function describeEntry({ name, id, line }: KeyEntry): RemovedLine {
  return { subject: name || null, key_id: id || null, line, usable: true };
}

function readLine(raw: string, index: number): Line {
  const text = raw.replace(/^\ufeff/, '').trim();
  const isKey = text !== '' && !text.startsWith('#');
  return { raw, line: index + 1, parsed: isKey ? parseKeyLine(text, 1, nodePlatform) : undefined };
}

function nameOf(raw: string, parsed: KeyEntry | { problem: string }): string | undefined {
  if (!('problem' in parsed)) return parsed.name;
  const text = raw.replace(/^\ufeff/, '').trim();
  return text.includes(':') ? text.slice(0, text.indexOf(':')) : undefined;
}

function hashOf(parsed: Line['parsed']): string[] {
  return parsed === undefined || 'problem' in parsed ? [] : [parsed.hash];
}
