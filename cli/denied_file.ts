// denied.txt, the deny list beside the key file: one line more.

import { dirname, join } from 'node:path';
import type { Settings } from '../settings/read.js';
import { parseDenyList } from '../auth/deny_list.js';
import { editLocked } from '../node/locked_file.js';
import { Fault } from '../node/fault.js';

/** Where the deny list of a gateway is. */
export function deniedPath(settings: Settings): string {
  return join(dirname(settings.apiKeysFile), 'denied.txt');
}

/** Adds a line unless it is there. */
export async function denyLine(path: string, line: string): Promise<void> {
  const { problems } = parseDenyList(line);
  if (problems.length > 0 || /[\r\n]/.test(line))
    throw new Fault('a value on the deny list is one line without spaces at its start');
  await editLocked(path, (text) => {
    if (text.split('\n').includes(line)) return text;
    const before = text === '' ? '# jti:VALUE and kid:VALUE, refused although they verify\n' : text;
    return `${before}${before.endsWith('\n') ? '' : '\n'}${line}\n`;
  });
}
