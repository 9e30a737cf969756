// An evaluator whose .env was written on Windows, or was damaged.

import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadEnvFile } from '../../settings/env_file.js';

const path = join(mkdtempSync(join(tmpdir(), 'keygate-env-')), '.env');
const load = (content: string | Buffer, env: { [name: string]: string } = {}) => {
  writeFileSync(path, content);
  return { names: loadEnvFile(path, env), env };
};

describe('loadEnvFile', () => {
  it('loses no line to a byte order mark or to line ends of Windows', () => {
    const { env, names } = load('\ufeffREQUIRE_SCOPE=admin\r\nJWT_LEEWAY=5\r\n');
    expect(env).toEqual({ REQUIRE_SCOPE: 'admin', JWT_LEEWAY: '5' });
    expect([...names].sort()).toEqual(['JWT_LEEWAY', 'REQUIRE_SCOPE']);
  });

  it('lets the environment count before the file', () => {
    expect(load('A=file\nB=file\n', { A: 'environment' }).env).toEqual({ A: 'environment', B: 'file' });
  });

  it('names the lines that Node.js, Docker Compose and systemd would read differently, and no value', () => {
    const text = 'A=plain # comment\nAPI_KEY=se#cret\n# B=a$b\nAPI_KEYS=$x\nC=\'a#$b\'\nD="a # b"\n';
    expect(() => load(text)).toThrow(
      `${path}:2: API_KEY: expected single quotes around a value with # or $ in it\n${path}:4: API_KEYS: `,
    );
    expect(() => load(text)).not.toThrow(/se#cret/);
    expect(load(text.replace('se#cret', "'se#cret'").replace('=$x', "='$x'")).env).toEqual({
      A: 'plain',
      API_KEY: 'se#cret',
      API_KEYS: '$x',
      C: 'a#$b',
      D: 'a # b',
    });
  });

  it.each([
    ['UTF-16', Buffer.from('\ufeffREQUIRE_SCOPE=admin\n', 'utf16le'), 'UTF-16'],
    ['NUL bytes', Buffer.from('REQUIRE_SCOPE=\0\0\n'), 'NUL bytes'],
    ['bytes that are not UTF-8', Buffer.from('API_KEY=\xe9\n', 'latin1'), 'not UTF-8'],
  ])('refuses a file in %s', (_, content, why) => {
    expect(() => load(content)).toThrow(why);
  });
});
