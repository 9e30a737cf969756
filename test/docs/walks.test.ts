// A newcomer who makes a change by CONTRIBUTING.md and forgets a place: a check fails, whichever place it is.

import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ESLint } from 'eslint';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeTypeCheck } from './type_check.js';

const root = join(import.meta.dirname, '../..');
let copy = '';
let checkTypes: () => string;

// In one process, without the set-up of the other tests, up to the first failure: two files that need no server.
const testConfig = `export default {
  test: {
    include: ['test/docs/{names,snippets}.test.ts'],
    isolate: false,
    fileParallelism: false,
    bail: 1,
    testTimeout: 60000, // a busy machine must not be taken for a failed check
  },
};
`;

beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), 'keygate-walk-'));
  const listed = spawnSync('git', ['ls-files', '-co', '--exclude-standard'], { cwd: root, encoding: 'utf8' }).stdout;
  for (const path of listed.split('\n').filter((name) => name !== '')) {
    mkdirSync(dirname(join(copy, path)), { recursive: true });
    cpSync(join(root, path), join(copy, path));
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  writeFileSync(join(copy, 'walks.config.ts'), testConfig);
  checkTypes = makeTypeCheck(copy);
});

afterAll(() => rmSync(copy, { recursive: true, force: true }));

interface Place {
  file: string;
  before: string | RegExp;
  after: string;
}

const place = (file: string, before: string | RegExp, after: string): Place => ({ file, before, after });

const markImports = `
import type { AdminChanges } from '../audit/admin_events.js';
import { editAudited } from '../audit/audited_edit.js';
`;
const markFile = `
async function markFile(_: object, command: Command): Promise<void> {
  const { apiKeysFile: file, stateDir } = readSettings(process.env);
  const edit = (text: string) => ({ text: text + '# mark', changes: [{ event: 'key_mark', file }] as AdminChanges });
  print(command, { file, audited: await editAudited(file, stateDir, edit) }, ['marked']);
}
`;

const walks: { [change: string]: Place[] } = {
  'a refusal': [
    place(
      'auth/refusals.ts',
      /^( {4}bad_host: .*)$/m,
      "$1\n    bad_age: failure(418, 'too_old', 'The request is old.'),",
    ),
    place(
      'auth/target.ts',
      'return /[^A-Za-z0-9._:[\\]-]/.test(header + host) ?',
      "if (host === 'old') return 'bad_age';\n  return /[^A-Za-z0-9._:[\\]-]/.test(header + host) ?",
    ),
    place('README.md', '| 429      | `rate_limited`', '| 418      | `too_old`, `rate_limited`'),
    place(
      'nginx/snippets/locations.conf',
      /( *)if \(\$keygate_status = 429\) \{/,
      '$1if ($keygate_status = 418) {\n$1    return 418 $keygate_body;\n$1}\n$&',
    ),
  ],
  'a setting': [
    place(
      'settings/table.ts',
      '  STATE_DIR: {',
      "  MAX_AGE: { nginx: 'http', standard: '60', ...whole(1, 999) },\n  STATE_DIR: {",
    ),
    place(
      'docs/settings.md',
      '## STATE_DIR\n',
      '## MAX_AGE\n\n    Syntax:   MAX_AGE=seconds\n    Default:  60\n    Context:  http\n' +
        '    nginx:    $keygate_max_age\n\nHow old a request may be.\n\n## STATE_DIR\n',
    ),
    place('.env.example', '#STATE_DIR=', '#MAX_AGE=60\n#STATE_DIR='),
    place(
      'nginx/snippets/settings.conf',
      'js_var $keygate_cors_preflight',
      'js_var $keygate_max_age "60";\njs_var $keygate_cors_preflight',
    ),
  ],
  'an identity header': [
    place(
      'auth/identity_headers.ts',
      "  { header: 'X-Auth-Method'",
      "  { header: 'X-Auth-Key', variable: 'keygate_key', member: 'keyId' },\n  { header: 'X-Auth-Method'",
    ),
    place('auth/identity_headers.ts', "member?: 'subject' | 'issuer';", "member?: 'subject' | 'issuer' | 'keyId';"),
    place('auth/identity_headers.ts', "member: 'subject' | 'issuer')", "member: 'subject' | 'issuer' | 'keyId')"),
    place('nginx/snippets/asking.conf', '# Sets: $keygate_user,', '# Sets: $keygate_key, $keygate_user,'),
    place(
      'docs/settings.md',
      '### $keygate_issuer\n',
      '### $keygate_key\n\nWhat admitted the request.\n\n### $keygate_issuer\n',
    ),
  ],
  'a field of the audit log': [
    place('nginx/snippets/audit.conf', '"bytes":', '"protocol":"$server_protocol","bytes":'),
    place('docs/audit.schema.json', '    "bytes",', '    "protocol",\n    "bytes",'),
    place('docs/audit.schema.json', '    "bytes": {', '    "protocol": { "type": "string" },\n    "bytes": {'),
    place('docs/audit.md', '| `bytes` ', '| `protocol` | string | HTTP/1.1 or HTTP/2.0 |\n| `bytes` '),
    place('docs/audit.md', '"bytes":5120', '"protocol":"HTTP/2.0","bytes":5120'),
  ],
  'an admin subcommand': [
    place(
      'cli/keys/key_commands.ts',
      "  key.command('list')",
      "  key.command('count').description('count the keys').action(listKeys);\n  key.command('list')",
    ),
    place('docs/admin.md', '    keygate key list', '    keygate key count\n    keygate key list'),
    place('docs/admin.md', '`key hash`, `key list`', '`key hash`, `key count`, `key list`'),
  ],
  'an admin subcommand that changes a file': [
    place(
      'cli/keys/key_commands.ts',
      "  key.command('list')",
      "  key.command('mark').description('mark the file').action(markFile);\n  key.command('list')",
    ),
    place('cli/keys/key_commands.ts', 'function listKeys(', `${markFile}\nfunction listKeys(`),
    place('cli/keys/key_commands.ts', '\n\n/** Adds the commands', `${markImports}\n/** Adds the commands`),
    place('cli/audit/admin_events.ts', '  token_revoke: [', "  key_mark: ['file'],\n  token_revoke: ["),
    place('docs/admin.md', '    keygate key list', '    keygate key mark\n    keygate key list'),
    place('docs/admin.md', '| `token_revoke`', '| `key_mark` | `key mark` | the mark | `file` |\n| `token_revoke`'),
  ],
  'an attribute of the key line': [
    place(
      'auth/key_line.ts',
      "  { name: 'scope', expected",
      "  { name: 'note', expected: 'a word', read: readNote },\n  { name: 'scope', expected",
    ),
    place(
      'auth/key_line.ts',
      'function readIdAttribute(',
      'function readNote(attributes: Attributes, value: string): boolean {\n' +
        '  attributes.note = value;\n  return true;\n}\n\nfunction readIdAttribute(',
    ),
    place('auth/key_line.ts', '  scopes: string[];\n}', '  scopes: string[];\n  note?: string;\n}'),
    place('docs/keys.md', '- `scope=` ', '- `note=` is a word.\n- `scope=` '),
    place(
      'cli/keys/key_commands.ts',
      "    .option('--scope <scopes>'",
      "    .option('--note <word>', 'a word')\n    .option('--scope <scopes>'",
    ),
  ],
  'a supported nginx': [
    place('nginx/versions.ts', "debian14: 'forky' }", "debian14: 'forky', debian15: 'duke' }"),
    place(
      'test/gateway/harness/variants.ts',
      "runtime: 'debian13' | 'debian14'",
      "runtime: 'debian13' | 'debian14' | 'debian15'",
    ),
    place(
      'test/gateway/harness/variants.ts',
      '];',
      "  { name: 'nginx 1.34 qjs', runtime: 'debian15', engine: 'qjs', entry: 'auth_request' },\n];",
    ),
    place(
      'docs/architecture.md',
      '| 1.26 (Debian 13)',
      '| 1.34 (Debian 15) | 1.1 | qjs | guard.conf |\n| 1.26 (Debian 13)',
    ),
    place(
      'docs/settings.md',
      'NGINX_RUNTIME=auto | system | debian13 | debian14',
      'NGINX_RUNTIME=auto | system | debian13 | debian14 | debian15',
    ),
  ],
};

/** Makes a change in the copy, but for some places. */
function change(places: Place[], isLeftOut: (file: string) => boolean): void {
  for (const file of new Set(
    Object.values(walks)
      .flat()
      .map((one) => one.file),
  )) {
    cpSync(join(root, file), join(copy, file));
  }
  for (const generated of ['README.md', 'docker-compose.yml']) cpSync(join(root, generated), join(copy, generated));
  for (const { file, before, after } of places.filter((one) => !isLeftOut(one.file))) {
    const text = readFileSync(join(copy, file), 'utf8');
    const changed = typeof before === 'string' ? text.replace(before, () => after) : text.replace(before, after);
    expect(changed, `${file}: ${String(before)}`).not.toBe(text);
    writeFileSync(join(copy, file), changed);
  }
  run('node', ['build/settings_lists.js']);
}

/** @returns whether types and tests of the copy are in order, and what they said */
function check(): { isGood: boolean; said: string } {
  // The command, which the tests ask for its subcommands, bundled as build/bundle.js does.
  const bundled = run('node_modules/.bin/esbuild', [
    'cli/main.ts',
    '--bundle',
    '--format=esm',
    '--platform=node',
    '--packages=external',
    '--outfile=dist/keygate_command.js',
  ]);
  if (bundled.status !== 0) return { isGood: false, said: bundled.said };
  const tests = run('node', ['node_modules/vitest/vitest.mjs', 'run', '--config', 'walks.config.ts']);
  if (tests.status !== 0) return { isGood: false, said: tests.said };
  const faults = checkTypes();
  return { isGood: faults === '', said: faults };
}

function run(program: string, args: string[]): { status: number | null; said: string } {
  const env = { PATH: process.env['PATH'], HOME: process.env['HOME'] };
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: copy, env, encoding: 'utf8' });
  return { status, said: stdout + stderr };
}

describe('a command that would change a file without a line in the audit log', () => {
  it.each([
    "import { writeFileSync } from 'node:fs';",
    "import { rm } from 'node:fs/promises';",
    "import { editLocked } from '../../node/locked_file.js';",
    "import { writeAtomically } from '../../node/state_files.js';",
    "import { writeSigningKeys } from '../../verifier/signing/stored_keys.js';",
  ])('is refused by the linter: %s', async (line) => {
    const lint = (text: string) => new ESLint({ cwd: root }).lintText(text, { filePath: 'cli/keys/key_commands.ts' });
    const [result] = await lint(`${line}\n`);
    const found = result?.messages.map(({ ruleId, message }) => `${ruleId}: ${message}`).join('\n');
    expect(found).toMatch(/no-restricted-imports: .*use editAudited/);
  });

  it('is refused by the compiler without an event', () => {
    change([], () => false);
    const file = join(copy, 'cli/denied_file.ts');
    writeFileSync(file, readFileSync(file, 'utf8').replace('changes: [change(file)]', 'changes: []'));
    const { isGood, said } = check();
    cpSync(join(root, 'cli/denied_file.ts'), file);
    expect({ isGood, said }).toMatchObject({
      isGood: false,
      said: expect.stringContaining('denied_file.ts') as string,
    });
  }, 120000);
});

describe.each(Object.entries(walks))('the change %s', (_, places) => {
  const files = [...new Set(places.map(({ file }) => file))];

  it('passes the checks when every place has it, and takes six files at most', () => {
    change(places, () => false);
    const { isGood, said } = check();
    expect(isGood, said).toBe(true);
    expect(files.length).toBeLessThanOrEqual(6);
  }, 120000);

  it.each(files)(
    'fails a check without %s',
    (left) => {
      change(places, (file) => file === left);
      expect(check().isGood).toBe(false);
    },
    120000,
  );
});
