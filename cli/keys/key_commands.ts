// `keygate key ...`: what an admin does with API keys.

import type { Command } from 'commander';
import { parseKeyId } from '../../auth/credential.js';
import { parseKeyFile, type KeyFile } from '../../auth/key_file.js';
import { checkEntry, type KeyEntry } from '../../auth/key_record.js';
import { formatRate, parseRate } from '../../auth/rate_limit.js';
import { parseRfc3339 } from '../../auth/rfc3339.js';
import { readSettings } from '../../settings/read.js';
import { demoLine, withoutDemoKey, formatLine, hashKey, makeKey, type KeyAttributes } from './new_key.js';
import { nodePlatform } from '../../node/crypto.js';
import { readKeyContent, readKeyText } from './key_text.js';
import { lineEndOf } from '../../node/locked_file.js';
import type { AdminChange, AdminChanges } from '../audit/admin_events.js';
import { editAudited } from '../audit/audited_edit.js';
import { print } from '../output.js';
import { describeEntry, revokeKeys } from './revoke_keys.js';
import { readSecret } from '../secret_input.js';
import { describeUptake, waitForUptake } from './uptake.js';
import { Fault } from '../../node/fault.js';

/** Adds the commands to the program. */
export function addKeyCommands(program: Command): void {
  const key = program.command('key').description('API keys in the key file');
  key
    .command('new')
    .description('make a key, add its line to the key file, print the key once')
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
  key.command('list').description('list the keys of the file, without their hashes').action(listKeys);
  key
    .command('revoke')
    .description('take the lines of a name out of the key file')
    .argument('[name]', 'whose keys')
    .option('--all', 'all keys of the file')
    .action(revokeKeys);
  key
    .command('check')
    .description('say what is wrong with the key file; exit code 1 if a line is not used')
    .action(checkKeys);
}

async function newKey(name: string, options: KeyAttributes, command: Command): Promise<void> {
  const settings = readSettings(process.env);
  const file = settings.apiKeysFile;
  const { key, id } = makeKey();
  const line = formatLine(name, await hashKey(key, options.bcrypt === true), { ...options, id });
  if (options.expires !== undefined && (parseRfc3339(options.expires) ?? 0) <= Date.now() / 1000)
    throw new Fault(`--expires ${options.expires} has passed`, 'the key would never be good');
  let hadDemo = false;
  let ofThatName = 0;
  const audited = await editAudited(file, settings.stateDir, (text) => {
    const others = withoutDemoKey(text);
    hadDemo = others !== text;
    const end = lineEndOf(text);
    const after = `${others}${others === '' || others.endsWith('\n') ? '' : end}${line}${end}`;
    ofThatName = parseKeyFile(after, nodePlatform).entries.filter((entry) => entry.name === name).length;
    return { text: after, changes: changesOf(line, file, hadDemo ? text : '') };
  });
  const uptake = await waitForUptake(settings);
  const lines = [key, '', `This is the only time it is shown. Its line is in ${file}.`, describeUptake(uptake)];
  if (ofThatName > 1) lines.push(`${name} has ${ofThatName} keys now, and each of them is good.`);
  if (hadDemo) lines.push('The demo key was taken out.');
  print(command, { key, id, name, file, uptake, demoKeyRemoved: hadDemo, audited }, lines);
}

/** @param before the text with the demo key, where the key was taken out; else empty */
function changesOf(line: string, file: string, before: string): AdminChanges {
  const { name, kind, id } = parseKeyFile(line, nodePlatform).entries[0] as KeyEntry;
  const words = line.split(' ').slice(1);
  const attributes = words.map((word) => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)]);
  const demo = parseKeyFile(before, nodePlatform).entries.filter(({ text }) => demoLine.test(text));
  return [
    {
      event: 'key_new',
      subject: name,
      key_id: id,
      kind: kind === 'bcrypt' ? kind : 'sha256',
      attributes: Object.fromEntries(attributes.filter(([attribute]) => attribute !== 'id')) as {
        [name: string]: string;
      },
      file,
    },
    ...demo.map((one): AdminChange => ({ event: 'key_revoke', ...describeEntry(one), file })),
  ];
}

async function hashTyped(options: { bcrypt?: boolean }, command: Command): Promise<void> {
  const key = await readSecret('Key (not shown): ');
  const hashed = await hashKey(key, options.bcrypt === true);
  const id = parseKeyId(key); // a bcrypt line of a generated key is found by its id alone
  print(command, { hash: hashed, id: id || null }, [id === '' ? hashed : `${hashed} id=${id}`]);
}

function readKeyFile(file: string): KeyFile {
  return parseKeyFile(readKeyText(file), nodePlatform);
}

function listKeys(_: object, command: Command): void {
  const { apiKeysFile } = readSettings(process.env);
  const nowSeconds = Date.now() / 1000;
  const keys = readKeyFile(apiKeysFile).entries.map((entry) => ({
    line: entry.line,
    name: entry.name || null,
    kind: entry.kind,
    id: entry.id || null,
    scopes: entry.scopes,
    limit: describeLimit(entry),
    expires: entry.expiresSeconds === null ? null : new Date(entry.expiresSeconds * 1000).toISOString(),
    expired: checkEntry(entry, nowSeconds) !== undefined,
  }));
  const rows = keys.map((one) => {
    const parts = [
      `line ${one.line}`,
      one.name ?? '(no name)',
      one.kind,
      one.id ?? '-',
      one.scopes.join(',') || '-',
      one.limit ?? '-',
    ];
    return [...parts, one.expires === null ? '-' : `${one.expires}${one.expired ? ' (expired)' : ''}`].join('  ');
  });
  print(command, { file: apiKeysFile, keys }, rows.length === 0 ? ['no keys'] : rows);
}

// The limit as it is written, or that of another line with the same name.
function describeLimit({ limit, text }: KeyEntry): string | null {
  if (limit === null) return null;
  const written = /\srate=(\S+)/.exec(text)?.[1] ?? '';
  const rate = parseRate(written) === limit.intervalMs ? written : formatRate(limit);
  return `rate=${rate} burst=${limit.burst}`;
}

function checkKeys(_: object, command: Command): void {
  const { apiKeysFile } = readSettings(process.env);
  const content = readKeyContent(apiKeysFile);
  const text = 'fault' in content ? '' : content.text;
  const { entries, problems, warnings } = parseKeyFile(text, nodePlatform);
  const empty = text === '' ? 'zero bytes long: write a comment into it to mean no keys' : undefined;
  const whole = 'fault' in content ? content.fault : empty;
  const place = (line: number) => (line === 0 ? apiKeysFile : `${apiKeysFile}:${line}`);
  const lines = [
    ...(whole === undefined ? [] : [`${apiKeysFile}: not used: ${whole}`]),
    ...problems.map(({ line, problem }) => `${place(line)}: not used: ${problem}`),
    ...warnings.map(({ line, problem }) => `${place(line)}: warning: ${problem}`),
    `${entries.length} usable, ${problems.length} not used`,
  ];
  print(command, { file: apiKeysFile, usable: entries.length, fault: whole ?? null, problems, warnings }, lines);
  if (problems.length > 0 || whole !== undefined) throw new Fault('');
}
