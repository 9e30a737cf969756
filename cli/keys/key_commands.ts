// `keygate key ...`: what an admin does with API keys.

import type { Command } from 'commander';
import { parseKeyId } from '../../auth/credential.js';
import { checkEntry, type KeyEntry } from '../../auth/key_record.js';
import { formatRate, parseRate } from '../../auth/rate_limit.js';
import { parseRfc3339 } from '../../auth/rfc3339.js';
import { readSettings } from '../../settings/read.js';
import { formatLine, hashKey, makeKey, type KeyAttributes } from './new_key.js';
import { addKey } from './add_key.js';
import { checkSources, readSources, type CheckedSource, type KeySource } from './key_sources.js';
import { print } from '../output.js';
import { revokeKeys } from './revoke_command.js';
import { readSecret } from '../secret_input.js';
import { describeUptake, waitForUptake } from './uptake.js';
import { Fault } from '../../node/fault.js';

/** Adds the commands to the program. */
export function addKeyCommands(program: Command): void {
  const key = program.command('key').description('API keys in the key file, or of the cluster');
  key
    .command('new')
    .description('make a key, store its line, print the key once')
    .argument('<name>', 'who it is for: becomes X-Auth-User')
    .option('--expires <date>', 'a date (00:00 UTC) or an RFC 3339 time')
    .option('--scope <scopes>', 'what it may do, separated by commas')
    .option('--rate <rate>', 'how many requests it may send, such as 60/m')
    .option('--burst <number>', 'how many requests may come at once beside the one that is due')
    .option('--bcrypt', 'store a bcrypt hash instead of SHA-256')
    .action(newKey);
  key
    .command('hash')
    .description('hash a key that is typed or piped in, and print the hash')
    .option('--bcrypt', 'a bcrypt hash: for anything that a person chose')
    .action(hashTyped);
  key.command('list').description('list the keys, without their hashes').action(listKeys);
  key
    .command('revoke')
    .description('refuse the keys of a name, and take their lines out')
    .argument('[name]', 'whose keys')
    .option('--all', 'all keys')
    .action(revokeKeys);
  key
    .command('check')
    .description('say what is wrong with the key file; exit code 1 if a line is not used')
    .action(checkKeys);
}

async function newKey(name: string, options: KeyAttributes, command: Command): Promise<void> {
  const settings = readSettings(process.env);
  const { key, id } = makeKey();
  const line = formatLine(name, await hashKey(key, options.bcrypt === true), { ...options, id });
  if (options.expires !== undefined && (parseRfc3339(options.expires) ?? 0) <= Date.now() / 1000)
    throw new Fault(`--expires ${options.expires} has passed`, 'the key would never be good');
  const { file, ofThatName, hadDemo, audited, said } = await addKey(settings, name, line);
  const uptake = await waitForUptake(settings);
  const lines = [
    key,
    '',
    `This is the only time it is shown. Its line is in ${file}.`,
    ...said,
    describeUptake(uptake),
  ];
  if (ofThatName > 1) lines.push(`${name} has ${ofThatName} keys now, and each of them is good.`);
  if (hadDemo) lines.push('The demo key was taken out.');
  print(command, { key, id, name, file, uptake, demoKeyRemoved: hadDemo, audited }, lines);
}

async function hashTyped(options: { bcrypt?: boolean }, command: Command): Promise<void> {
  const key = await readSecret('Key (not shown): ');
  const hashed = await hashKey(key, options.bcrypt === true);
  const id = parseKeyId(key); // a bcrypt line of a generated key is found by its id alone
  print(command, { hash: hashed, id: id || null }, [id === '' ? hashed : `${hashed} id=${id}`]);
}

function listKeys(_: object, command: Command): void {
  const settings = readSettings(process.env);
  const keys = readSources(settings).flatMap((source) => describeKeys(source));
  const rows = keys.map((one) => {
    const parts = [
      ...(one.source === undefined ? [] : [one.source]),
      `line ${one.line}`,
      one.name ?? '(no name)',
      one.kind,
      one.id ?? '-',
      one.scopes.join(',') || '-',
      one.limit ?? '-',
    ];
    const ends = one.expires === null ? '-' : `${one.expires}${one.expired ? ' (expired)' : ''}`;
    return [...parts, ends, ...(one.revoked === true ? ['revoked'] : [])].join('  ');
  });
  print(command, { file: settings.apiKeysFile, keys }, rows.length === 0 ? ['no keys'] : rows);
}

function describeKeys({ keys, source, isRevoked }: KeySource) {
  return keys.entries.map((entry) => ({
    ...(source === undefined ? {} : { source, revoked: isRevoked(entry) }),
    line: entry.line,
    name: entry.name || null,
    kind: entry.kind,
    id: entry.id || null,
    scopes: entry.scopes,
    limit: describeLimit(entry),
    expires: entry.expiresSeconds === null ? null : new Date(entry.expiresSeconds * 1000).toISOString(),
    expired: checkEntry(entry, Date.now() / 1000) !== undefined,
  }));
}

// The limit as it is written, or that of another line with the same name.
function describeLimit({ limit, text }: KeyEntry): string | null {
  if (limit === null) return null;
  const written = /\srate=(\S+)/.exec(text)?.[1] ?? '';
  const rate = parseRate(written) === limit.intervalMs ? written : formatRate(limit);
  return `rate=${rate} burst=${limit.burst}`;
}

function checkKeys(_: object, command: Command): void {
  const settings = readSettings(process.env);
  const { apiKeysFile } = settings;
  const sources = checkSources(settings);
  const all = <Part>(list: (source: CheckedSource) => Part[]) => sources.flatMap(list);
  const place = ({ path }: CheckedSource, line: number) => (line === 0 ? path : `${path}:${line}`);
  const usable = all(({ keys }) => keys.entries).length;
  const problems = all(({ keys }) => keys.problems);
  const lines = [
    ...all(({ path, fault }) => (fault === undefined ? [] : [`${path}: not used: ${fault}`])),
    ...all((one) => one.keys.problems.map(({ line, problem }) => `${place(one, line)}: not used: ${problem}`)),
    ...all((one) => one.keys.warnings.map(({ line, problem }) => `${place(one, line)}: warning: ${problem}`)),
    `${usable} usable, ${problems.length} not used`,
  ];
  const fault = sources.find((one) => one.fault !== undefined)?.fault ?? null;
  const warnings = all(({ keys }) => keys.warnings);
  print(command, { file: apiKeysFile, usable, fault, problems, warnings }, lines);
  if (problems.length > 0 || fault !== null) throw new Fault('');
}
