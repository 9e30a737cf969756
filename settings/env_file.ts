// The settings file (.env): read like any other file that somebody else writes, and parsed as Node.js parses it.

import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { readFileText } from '../auth/file_text.js';
import { nodePlatform } from '../node/crypto.js';
import { Fault } from '../node/fault.js';

/**
 * Puts the settings of a file into the environment, where they are not set already.
 * @returns the names in the file
 * @throws Fault where the file can't be read, or can't be trusted to be whole
 */
export function loadEnvFile(path: string, env: NodeJS.ProcessEnv): string[] {
  const content = readFileText(readBytes(path), nodePlatform);
  if ('fault' in content) throw new Fault(`can't use ${path}: ${content.fault}`);
  const values = parseEnv(content.text);
  for (const [name, value] of Object.entries(values)) env[name] ??= value;
  return Object.keys(values);
}

function readBytes(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new Fault(`can't read ${path} (${(error as NodeJS.ErrnoException).code})`);
  }
}
