// `keygate key ...`: what an admin does with API keys.

import { existsSync, readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { parseKeyId } from '../../auth/api_key.js';
import { parseKeyFile, type KeyFile } from '../../auth/key_file.js';
import { readSettings } from '../../settings/read.js';
import { withoutDemoKey } from '../demo_line.js';
import { nodePlatform } from '../platform.js';
import { editLocked } from './locked_file.js';
import { formatLine, hashKey, makeKey, type KeyAttributes } from './new_key.js';
import { CommandFault, exitCodes, print } from './output.js';
import { readSecret } from './secret_input.js';
import { describeUptake, waitForUptake } from './uptake.js';

/** Adds the commands to the program. */
export function addKeyCommands(program: Command): void {
  const key = program.command('key').description('API keys in the key file');
  key
    .command('new')
    .description('make a key, add its line to the key file, print the key once')
    .argument('<name>', 'who it is for: becomes X-Auth-User')
    .option('--expires <date>', 'a date (00:00 UTC) or an RFC 3339 time')
    .option('--scope <scopes>', 'what it may do, separated by commas')
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
  let hadDemo = false;
  await editLocked(file, (text) => {
    const others = withoutDemoKey(text);
    hadDemo = others !== text;
    return `${others}${others === '' || others.endsWith('\n') ? '' : '\n'}${line}\n`;
  });
  const uptake = await waitForUptake(settings);
  const lines = [
    key,
    '',
    `This is the only time it is shown. Its line is in ${file}.`,
    describeUptake(uptake),
  ];
  if (hadDemo) lines.push('The demo key was taken out.');
  print(command, { key, id, name, file, uptake, demoKeyRemoved: hadDemo }, lines);
}

async function hashTyped(options: { bcrypt?: boolean }, command: Command): Promise<void> {
  const key = await readSecret('Key (not shown): ');
  const hashed = await hashKey(key, options.bcrypt === true);
  const id = parseKeyId(key); // a bcrypt line of a generated key is found by it alone
  print(command, { hash: hashed, id: id || null }, [id === '' ? hashed : `${hashed} id=${id}`]);
}

function readKeyFile(file: string): KeyFile {
  if (!existsSync(file))
    throw new CommandFault(`there is no key file ${file}`, 'make a key with: keygate key new NAME');
  return parseKeyFile(readFileSync(file, 'utf8'), nodePlatform);
}

function listKeys(_: object, command: Command): void {
  const { apiKeysFile } = readSettings(process.env);
  const nowSeconds = Date.now() / 1000;
  const keys = readKeyFile(apiKeysFile).entries.map(({ name, kind, id, scopes, expiresSeconds, line }) => ({
    line,
    name: name || null,
    kind,
    id: id || null,
    scopes,
    expires: expiresSeconds === undefined ? null : new Date(expiresSeconds * 1000).toISOString(),
    expired: expiresSeconds !== undefined && expiresSeconds <= nowSeconds,
  }));
  const rows = keys.map((one) => {
    const parts = [
      `line ${one.line}`,
      one.name ?? '(no name)',
      one.kind,
      one.id ?? '-',
      one.scopes.join(',') || '-',
    ];
    return [...parts, one.expires === null ? '-' : `${one.expires}${one.expired ? ' (expired)' : ''}`].join(
      '  ',
    );
  });
  print(command, { file: apiKeysFile, keys }, rows.length === 0 ? ['no keys'] : rows);
}

async function revokeKeys(
  name: string | undefined,
  options: { all?: boolean },
  command: Command,
): Promise<void> {
  if ((name === undefined) === (options.all !== true)) {
    command.error('error: give a name, or --all', { exitCode: exitCodes.usage });
  }
  const settings = readSettings(process.env);
  const file = settings.apiKeysFile;
  const { entries } = readKeyFile(file);
  const doomed = entries.filter((entry) => options.all === true || entry.name === name);
  if (doomed.length === 0) throw new CommandFault(`no key ${name === undefined ? '' : `of ${name} `}in ${file}`, 'keygate key list shows what is there'); // prettier-ignore
  let revoked = 0;
  await editLocked(file, (text) => {
    const numbers = parseKeyFile(text, nodePlatform).entries.filter((entry) => options.all === true || entry.name === name).map((entry) => entry.line); // prettier-ignore
    revoked = numbers.length;
    const kept = text.split('\n').filter((_line, index) => !numbers.includes(index + 1)).join('\n'); // prettier-ignore
    return kept.trim() === '' ? '# API keys, one a line\n' : kept;
  });
  const uptake = await waitForUptake(settings);
  print(command, { revoked, file, uptake }, [`${revoked} revoked.`, describeUptake(uptake)]);
}

function checkKeys(_: object, command: Command): void {
  const { apiKeysFile } = readSettings(process.env);
  const { entries, problems, warnings } = readKeyFile(apiKeysFile);
  const place = (line: number) => (line === 0 ? apiKeysFile : `${apiKeysFile}:${line}`);
  const lines = [
    ...problems.map(({ line, problem }) => `${place(line)}: not used: ${problem}`),
    ...warnings.map(({ line, problem }) => `${place(line)}: warning: ${problem}`),
    `${entries.length} usable, ${problems.length} not used`,
  ];
  print(command, { file: apiKeysFile, usable: entries.length, problems, warnings }, lines);
  if (problems.length > 0) throw new CommandFault('');
}
