// What `keygate install` says to a person: what was written, what is left to the operator, and the lines to add.

import type { LinesToAdd } from '../../nginx/placement/lines_to_add.js';
import type { PlacedLines } from '../../nginx/placement/placed_lines.js';
import { settingsFile, type Files, type Plan } from './installed_folder.js';

export interface Installed {
  dir: string;
  version: string;
  dryRun: boolean;
  nginx: { version: string; njs: string };
  reasons: string[];
  files: Plan['steps'];
  /** For each file that was changed by hand, the name of its copy. */
  saved: Files;
  leftOver: string[];
  /** What settings.conf lacks or has too much. */
  settings: string[];
  /** Lines that are missing, each with its place; and those whose place only the operator knows. */
  places: PlacedLines[];
  lines: LinesToAdd;
  advice: string[];
  /** False where the audit log has no line of this change. */
  audited: boolean;
  notes: string[];
}

const contexts: { [context in keyof LinesToAdd]: string } = {
  main: 'at the top of nginx.conf',
  http: 'in http { }, before your servers',
  server: 'in each server { } to guard, as its first lines',
  passing: 'in each location { } that passes requests on (grpc_headers.conf and its kin for other than proxy_pass)',
  open: 'in each location { } that nobody is to be asked for',
};

/** @returns the lines to print */
export function describeInstall(installed: Installed): string[] {
  const { dir, version, nginx, dryRun, reasons } = installed;
  const lines = [
    `Keygate ${version} ${dryRun ? 'would be' : 'is'} in ${dir}, for nginx ${nginx.version} with njs ${nginx.njs}`,
    ...reasons.map((reason) => `  ${reason}`),
    ...describeFiles(installed),
    ...describeLines(installed),
    '',
    ...[...installed.notes, ...installed.advice].map((line) => `note: ${line}`),
    'then: nginx -t && nginx -s reload',
  ];
  return lines;
}

// Line numbers are those before any line is added.
function describeLines({ places, lines }: Installed): string[] {
  const placed = places.map((one) => ({ heading: describePlace(one), added: one.lines }));
  const others = Object.keys(contexts)
    .map((one) => one as keyof LinesToAdd)
    .map((one) => ({ heading: contexts[one], added: lines[one] }));
  const all = [...placed, ...others].filter(({ added }) => added.length > 0);
  if (all.length === 0) return ['', 'Your configuration has all lines that it needs.'];
  const blocks = all.flatMap(({ heading, added }) => ['', `${heading}:`, ...added.map((line) => `    ${line}`)]);
  return ['', 'Lines to add to your configuration:', ...blocks];
}

function describePlace({ file, line, behind, of }: PlacedLines): string {
  const name = file || 'nginx.conf';
  if (line === 0) return `in ${name}, at its top`;
  return `in ${name}, ${behind === undefined ? `after line ${line}` : `in line ${line}, behind ${behind}`} (${of})`;
}

function describeFiles({ dir, files, saved, leftOver, settings }: Installed): string[] {
  const named = (step: string) => Object.keys(files).filter((name) => files[name] === step);
  const written = [...named('new'), ...named('updated'), ...named('saved')];
  const lines = [`  ${written.length === 0 ? 'nothing had to be written' : `written: ${written.join(', ')}`}`];
  for (const name of named('saved')) {
    lines.push(
      `  ${name} had been changed by hand: ` +
        `${saved[name] === undefined ? 'it would be kept' : `that is now ${saved[name]}`}`,
    );
  }
  if (files[settingsFile] === 'kept') lines.push(`  ${settingsFile} is yours and stays as it is`);
  if (files[settingsFile] === 'beside') {
    lines.push(`  ${settingsFile} is yours and stays as it is; this version's is ${dir}/${settingsFile}.new`);
  }
  lines.push(...settings.map((line) => `  ${settingsFile} ${line}`));
  if (leftOver.length > 0) lines.push(`  no longer part of Keygate: ${leftOver.join(', ')}`);
  return lines;
}
