// The same names in code, configuration and documentation.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { refusals } from '../../auth/refusals.js';
import { fillCompose, fillReadme } from '../../build/settings_lists.js';
import { readSources } from '../../build/sources.js';
import { adminEvents } from '../../cli/audit/admin_events.js';
import { keyAttributes } from '../../auth/key_line.js';
import { debianSuites } from '../../nginx/versions.js';
import { variants } from '../gateway/harness/variants.js';
import {
  containerSettings,
  nginxVariable,
  podSettings,
  table,
  type Setting,
  type SettingName,
} from '../../settings/table.js';
import { filledSnippets } from '../nginx/filled_snippets.js';

const root = join(import.meta.dirname, '../..');
const read = (...path: string[]) => readFileSync(join(root, ...path), 'utf8');
const all = (text: string, pattern: RegExp) =>
  [...new Set([...text.matchAll(pattern)].map((match) => match[1] as string))].sort();
const settings = Object.keys(table).sort();
const command = join(root, 'dist/keygate_command.js');
const snippets = Object.values(filledSnippets).join('\n');
const template = read('nginx/gateway/nginx.conf.template');

const audited = read('docs/admin.md').split('## The audit log of changes')[1]?.split('\n## ')[0] ?? '';
const [eventRows = [], fieldRows = []] = audited
  .split(/\n\| (?:event|field) .*\n/)
  .slice(1)
  .map((part) => (part.split('\n\n')[0] ?? '').split('\n').slice(1));
const dockerSettings = all(read('docs/docker.md'), /^\| `([A-Z_]+)` +\|/gm);
describe('names', () => {
  it.each([
    ['docs/settings.md', all(read('docs/settings.md'), /^## ([A-Z_]+)$/gm)],
    ['.env.example', all(read('.env.example'), /^#?([A-Z_]+)=/gm).filter((name) => !dockerSettings.includes(name))],
    ['README.md', all(read('README.md'), /^\| `([A-Z_]+)` +\|/gm)],
  ])('lists every setting in %s, and no other', (_, names) => {
    expect(names).toEqual(settings);
  });

  it('lists the settings of Docker in .env.example, and uses them all', () => {
    const listed = all(read('.env.example'), /^#?([A-Z_]+)=/gm);
    expect(listed).toEqual(expect.arrayContaining(dockerSettings));
    expect([...containerSettings].sort()).toEqual(dockerSettings);
    for (const name of dockerSettings) expect(read('docker-compose.yml')).toContain(name);
  });

  it('lists the settings of a pod in docs/kubernetes.md', () => {
    expect(all(read('docs/kubernetes.md'), /^\| `([A-Z_]+)` +\|/gm)).toEqual([...podSettings].sort());
  });

  it('has the lists that `npm run format` makes of docs/settings.md', () => {
    const docs = read('docs/settings.md');
    expect(fillReadme(read('README.md'), docs)).toBe(read('README.md'));
    expect(fillCompose(read('docker-compose.yml'), docs)).toBe(read('docker-compose.yml'));
  });

  it('has a default in .env.example that is the one of the code', () => {
    for (const [, name = '', value] of read('.env.example').matchAll(/^#([A-Z_]+)=(.*)$/gm)) {
      const { standard } = (table as { [name: string]: Setting })[name] ?? {};
      if (standard !== undefined) expect(value, name).toBe(standard);
    }
  });

  it('gives nginx the variables that the table of settings names', () => {
    const rows = Object.entries(table) as [SettingName, Setting][];
    const given = rows.filter(([, { nginx }]) => nginx !== undefined).map(([name]) => nginxVariable(name));
    const onlyInNginx = [
      'keygate_cluster',
      'keygate_hide_token_route',
      'keygate_identity_headers',
      'keygate_jwt_providers',
      'keygate_jwt_providers_file',
      'keygate_sidecar',
      'keygate_state_dir',
    ];
    expect([...given, ...onlyInNginx].sort()).toEqual(
      all(read('nginx/snippets/settings.conf'), /^js_var \$(keygate_\w+)/gm),
    );
    const context = (name: string) =>
      new RegExp(`^## ${name}\n[^#]*?^    Context:  (.*)$`, 'm').exec(read('docs/settings.md'));
    for (const [name, { nginx }] of rows) if (nginx !== undefined) expect(context(name)?.[1], name).toBe(nginx);
  });

  it('documents every value that a setting takes, where they are counted', () => {
    const docs = read('docs/settings.md');
    for (const [name, { expected }] of Object.entries(table)) {
      const values = /^one of (.*)$/.exec(expected)?.[1]?.split(', ');
      if (values === undefined) continue;
      const syntax = new RegExp(`^    Syntax:   ${name}=(.*)$`, 'm').exec(docs)?.[1] ?? '';
      expect(syntax.split(' | ').sort(), name).toEqual(values.sort());
    }
  });

  it('documents every attribute of a line of the key file, and has an option of `key new` for each', () => {
    const names = keyAttributes.map(({ name }) => name).sort();
    expect(all(read('docs/keys.md'), /^- `(\w+)=` /gm)).toEqual(names);
    const { stdout } = spawnSync(process.execPath, [command, 'key', 'new', '--help'], { encoding: 'utf8' });
    const byOption = names.filter((name) => name !== 'id'); // the command makes the id itself
    for (const name of byOption) expect(stdout).toContain(`--${name} <`);
  });

  it('uses every reason of the table of refusals somewhere', () => {
    const code = readSources()
      .filter(({ path }) => path !== 'auth/refusals.ts')
      .map(({ text }) => text)
      .join('\n');
    const used = (reason: string) =>
      code.includes(`'${reason}'`) || new RegExp(`\\b${reason}\\b`).test(snippets + template);
    expect(Object.keys(refusals()).filter((reason) => !used(reason))).toEqual([]);
  });

  it('runs the tests on every supported nginx, and lists it', () => {
    const tested = [...new Set(variants.map(({ runtime }) => runtime))].sort();
    expect(tested).toEqual(Object.keys(debianSuites).sort());
    const table = read('docs/architecture.md').split('## The supported combinations')[1]?.split('\n## ')[0] ?? '';
    for (const release of tested) expect(table).toContain(release.replace('debian', 'Debian '));
  });

  it('documents every admin command, and no other', () => {
    const help = (args: string[]) =>
      spawnSync(process.execPath, [command, ...args, '--help'], { encoding: 'utf8' }).stdout;
    const commandsIn = (text: string) =>
      all(text.split('Commands:')[1] ?? '', /^ {2}([a-z]+)/gm).filter((name) => name !== 'help');
    const groups = commandsIn(help([]));
    const known = groups.flatMap((group) => {
      const inner = commandsIn(help([group]));
      return inner.length === 0 ? [group] : inner.map((name) => `${group} ${name}`);
    });
    expect(known.length).toBeGreaterThan(10);
    const documented = all(read('docs/admin.md'), /keygate ((?:key|jwks|token|provider) [a-z]+|install|status)\b/g);
    expect(documented).toEqual(known.sort());
    const unchanging = /change nothing and write no\s+line: ([^.]*)\./.exec(audited)?.[1] ?? '';
    const commandsOf = (text: string) => all(text, /`((?:key|jwks|token|provider) [a-z]+|install|status)`/g);
    expect([...commandsOf(eventRows.join('\n')), ...commandsOf(unchanging)].sort()).toEqual(known.sort());
  });

  it('documents every event of the audit log with its fields, and uses each event', () => {
    const documented = eventRows.map((row) => {
      const cells = row.split('|').map((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, name]) => name as string));
      return [cells[1]?.[0], cells[4]];
    });
    expect(Object.fromEntries(documented)).toEqual(adminEvents);
    const fields = all(fieldRows.map((row) => row.split('|')[1]).join(' '), /`(\w+)`/g);
    const ofEvents = Object.values(adminEvents).flat();
    const ofAll = ['time', 'event', 'uid', 'login', 'sudo_uid', 'sudo_user'];
    expect(fields).toEqual([...new Set([...ofAll, ...ofEvents])].sort());
    const commands = readSources().filter(({ path }) => path.startsWith('cli/') && !path.startsWith('cli/audit/'));
    const code = commands.map(({ text }) => text).join('\n');
    expect(Object.keys(adminEvents).filter((event) => !code.includes(`event: '${event}'`))).toEqual([]);
  });

  it('documents the nginx variables that settings.conf sets, and no other', () => {
    const documented = all(read('docs/settings.md'), /^ {4}nginx: {4}\$(keygate_\w+)$/gm);
    expect(documented).toEqual(all(read('nginx/snippets/settings.conf'), /^js_var \$(keygate_\w+)/gm));
  });

  it('gives each setting the default that the code has', () => {
    const docs = read('docs/settings.md');
    for (const [name, { standard }] of Object.entries(table) as [string, { standard?: string }][]) {
      if (standard === undefined) continue;
      expect(docs, name).toMatch(new RegExp(`^    Syntax:   ${name}=.*\n    Default:  ${standard}$`, 'm'));
    }
  });

  it('lists every code of a refusal in README.md, and no other', () => {
    const responses = read('README.md').split('## Responses')[1]?.split('## Settings')[0] ?? '';
    const rows = responses.split('\n').filter((line) => /^\| \d/.test(line));
    const listed = all(rows.map((row) => row.split('|')[2]).join(' '), /`(\w+)`/g);
    expect(listed).toEqual([...new Set(Object.values(refusals()).map((refusal) => refusal.code))].sort());
  });

  it('calls only handlers that main.ts exports, and calls them all', () => {
    const called = all(snippets + template, /(?:js_content|js_access|js_periodic|js_set \$\w+) keygate\.([\w.]+)/g);
    const exported = /export default \{([^}]*)\}/.exec(read('njs/main.ts'))?.[1] ?? '';
    expect(called).toEqual(all(exported, /(\w+)/g));
    expect(called.length).toBeGreaterThan(5);
  });

  it('documents the variables that asking.conf sets for operators, and no other', () => {
    const conf = read('nginx/snippets/asking.conf');
    const header = conf.split('\n\n')[0] ?? '';
    const announced = all(header.split('Sets:')[1] ?? '', /\$(keygate_\w+)/g);
    expect(all(read('docs/settings.md').split('## Variables')[1] ?? '', /^### \$(keygate_\w+)$/gm)).toEqual(announced);
    const defined = all(snippets, /^(?:js_var|map \S+(?: \S+)*?) \$(keygate_\w+) /gm);
    expect(defined).toEqual(expect.arrayContaining(announced));
  });

  it('names a file that exists in every relative link', () => {
    const folders = readdirSync(join(root, 'examples')).map((folder) => `examples/${folder}/README.md`);
    const docs = readdirSync(join(root, 'docs'))
      .filter((name) => name.endsWith('.md'))
      .map((name) => `docs/${name}`);
    const links = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', ...docs, ...folders].flatMap((file) =>
      all(read(file), /\]\(([^)#]+)\)/g)
        .filter((link) => !link.includes('://'))
        .map((link) => join(dirname(file), link)),
    );
    expect(links.length).toBeGreaterThan(20);
    expect(links.filter((link) => !existsSync(join(root, link)))).toEqual([]);
  });
});
