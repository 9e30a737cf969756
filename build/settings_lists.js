// The settings that README.md and docker-compose.yml list, made from docs/settings.md: `npm run format` writes them.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');

/** Settings that a container decides itself, or gets under another name (x-settings in docker-compose.yml). */
export const notPassedOn = [
  'LISTEN_ADDRESS',
  'LISTEN_PORT',
  'STATE_DIR',
  'NGINX_RUNTIME',
  'VERIFIER_SOCKET',
  'VERIFIER_LISTEN',
  'GITHUB_TOKEN',
];

/** @returns README.md with its table of settings as docs/settings.md has them: name, default, first sentence */
export function fillReadme(readme, docs) {
  const rows = readSections(docs).map(({ name, standard, summary }) => [`\`${name}\``, standard, summary]);
  const table = formatTable([['setting', 'default', 'what it does'], ...rows]);
  return readme.replace(/^\| setting .*\n(?:\|.*\n)+/m, () => table);
}

/** @returns docker-compose.yml with every other setting among those that it passes on as they are */
export function fillCompose(compose, docs) {
  const block = /^x-settings:.*\n((?: {2}.*\n)+)/m.exec(compose)[1];
  const named = [...block.matchAll(/^ {2}(\w+): \S/gm)].map((match) => match[1]);
  const plain = readSections(docs).filter(({ name }) => !notPassedOn.includes(name) && !named.includes(name));
  const kept = block.split('\n').filter((line) => / {2}\w+: \S/.test(line));
  const container = /^ {2}ACCOUNT_TYPE:$/m.test(block) ? ['  ACCOUNT_TYPE:'] : [];
  const lines = [...kept, ...plain.map(({ name }) => `  ${name}:`), ...container];
  return compose.replace(block, () => `${lines.join('\n')}\n`);
}

function readSections(docs) {
  const sections = docs.split(/^## (?=[A-Z_]+$)/m).slice(1);
  return sections.map((section) => {
    const name = /^[A-Z_]+/.exec(section)[0];
    const standard = /^ {4}Default: {2}(.*)$/m.exec(section)?.[1] ?? '-';
    const text = section.split(/\n\n/).find((part) => !part.startsWith('    ') && part !== name) ?? '';
    const summary = /^[\s\S]*?(?=\.(?:\s|$)|;\s|$)/.exec(text)[0].replace(/\s+/g, ' ');
    return { name, standard, summary };
  });
}

// As prettier writes it.
function formatTable(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const line = (cells) => `| ${cells.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |\n`;
  const [head, ...body] = rows;
  return line(head) + line(widths.map((width) => '-'.repeat(width))) + body.map(line).join('');
}

if (import.meta.filename === process.argv[1]) {
  const read = (name) => readFileSync(join(root, name), 'utf8');
  const docs = read('docs/settings.md');
  writeFileSync(join(root, 'README.md'), fillReadme(read('README.md'), docs));
  writeFileSync(join(root, 'docker-compose.yml'), fillCompose(read('docker-compose.yml'), docs));
}
