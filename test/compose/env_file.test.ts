// An operator who uses one settings file with npm start and with Docker Compose: both read it alike, whatever is in it.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { loadEnvFile } from '../../settings/env_file.js';
import { describeWithEngine } from './harness/engine.js';

const lines = [
  'PLAIN=a,b',
  'SPACED= models chat ',
  "SINGLE='models chat'",
  'DOUBLE="models chat"',
  "HASH='a#b'",
  "SPACED_HASH='a #b'",
  "DOLLAR='a$HOME'",
  'COMMENT=abc # comment',
  'EMPTY=',
  'export EXPORTED=1',
  'URL=https://idp.example/keys?a=b&c=d',
];

describeWithEngine('one settings file', () => {
  it.each([
    ['LF', '\n', ''],
    ['CRLF', '\r\n', ''],
    ['CRLF and a byte order mark', '\r\n', '\ufeff'],
  ])('with %s means the same to Docker Compose and to npm start', (_, end, mark) => {
    const dir = mkdtempSync(join(tmpdir(), 'keygate-env-'));
    const file = join(dir, 'settings.env');
    writeFileSync(file, mark + lines.map((line) => line + end).join(''));
    const env: { [name: string]: string } = {};
    const names = loadEnvFile(file, env);
    const environment = names.map((name) => `      ${name}:\n`).join('');
    writeFileSync(
      join(dir, 'docker-compose.yml'),
      `services:\n  one:\n    image: none\n    environment:\n${environment}`,
    );
    const args = ['compose', '--env-file', file, 'config', '--format', 'json'];
    const { PATH = '', HOME = '' } = process.env;
    const said = execFileSync('docker', args, { cwd: dir, encoding: 'utf8', env: { PATH, HOME } });
    const { services } = JSON.parse(said) as { services: { one: { environment: { [name: string]: string } } } };
    const composed = Object.entries(services.one.environment).map(([name, value]) => [
      name,
      value.replaceAll('$$', '$'),
    ]);
    expect(Object.fromEntries(composed)).toEqual(env);
    expect(names).toHaveLength(lines.length);
  });
});
