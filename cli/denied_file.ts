// How the commands read denied.txt, the deny list beside the key file, and add a line to it.

import { dirname, join } from 'node:path';
import { addDenial, parseDenyList, type DenyList } from '../auth/deny_list.js';
import { Fault } from '../node/fault.js';
import type { AdminChange } from './audit/admin_events.js';
import { editAudited } from './audit/audited_edit.js';
import { readText } from '../node/regular_file.js';
import type { Settings } from '../settings/read.js';

const maxBytes = 1048576; // the same bound as in nginx
const firstLine = '# jti:VALUE and kid:VALUE, refused although they verify\n';

/** Where the deny list of a gateway is. */
export function deniedPath(settings: Settings): string {
  return join(dirname(settings.apiKeysFile), 'denied.txt');
}

/** @throws Fault where the list may be damaged */
export function readDenied(settings: Settings): DenyList {
  const path = deniedPath(settings);
  const list = parseDenyList(readText(path, maxBytes));
  if ('fault' in list) throw new Fault(`can't use ${path}: ${list.fault}`);
  return list;
}

/**
 * Adds a line unless it is there, and counts the lines anew.
 * @param change what the audit log says of it
 * @returns whether the audit log has its line
 */
export async function denyLine(settings: Settings, line: string, change: AdminChange): Promise<boolean> {
  const path = deniedPath(settings);
  const alone = parseDenyList(line);
  if ('fault' in alone || alone.problems.length > 0 || /[\r\n]/.test(line))
    throw new Fault('a value on the deny list is one line without spaces at its start');
  return editAudited(path, settings.stateDir, (text) => {
    const whole = parseDenyList(text);
    if ('fault' in whole) throw new Fault(`${path}: ${whole.fault}`, 'mend the file first: what it lost is not known');
    return { text: addDenial(text === '' ? firstLine : text, line), changes: [change] };
  });
}
