// The settings file (.env): decoded like every file that others write, and parsed as Node.js parses it.

import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { readFileText, splitLines } from '../auth/file_text.js';
import { nodePlatform } from '../node/crypto.js';
import { Fault } from '../node/fault.js';

/**
 * Puts the settings of a file into the environment, where they are not set already.
 * @returns the names in the file
 * @throws Fault where the file can't be read, can't be trusted to be whole, or holds a value that Node.js, Docker
 * Compose and systemd read differently
 */
export function loadEnvFile(path: string, env: NodeJS.ProcessEnv): string[] {
  const content = readFileText(readBytes(path), nodePlatform);
  if ('fault' in content) throw new Fault(`can't use ${path}: ${content.fault}`);
  const ambiguous = findAmbiguous(content.text);
  if (ambiguous.length > 0) throw new Fault(ambiguous.map((line) => `${path}:${line}`).join('\n'));
  const values = parseEnv(content.text);
  for (const [name, value] of Object.entries(values)) env[name] ??= value;
  return Object.keys(values);
}

const assignment = /^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*)$/;

// `a#b` is `a` to Node.js and `a#b` to Docker Compose and systemd; `a$b` is expanded by Compose alone.
function findAmbiguous(text: string): string[] {
  return splitLines(text).flatMap((line, index) => {
    const [, name, value = ''] = assignment.exec(line) ?? [];
    const bare = /^['"`]/.test(value) ? '' : value.replace(/\s#.*$/, '');
    const isPlain = name === undefined || !/[#$]/.test(bare);
    return isPlain ? [] : [`${index + 1}: ${name}: expected single quotes around a value with # or $ in it`];
  });
}

function readBytes(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new Fault(`can't read ${path} (${(error as NodeJS.ErrnoException).code})`);
  }
}
