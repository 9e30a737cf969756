// How the commands read the deny list, and add a line to it: denied.txt beside the key file, or the snapshot of the
// cluster.

import { dirname, join } from 'node:path';
import { addDenial, parseDenyList, type DenyList } from '../auth/deny_list.js';
import { Fault } from '../node/fault.js';
import type { AdminChange } from './audit/admin_events.js';
import { changeShared, describeShared, sharedFile } from './audit/audited_change.js';
import { editAudited } from './audit/audited_edit.js';
import { readText } from '../node/regular_file.js';
import type { Settings } from '../settings/read.js';
import { readShared } from './shared_snapshot.js';

const maxBytes = 1048576; // the same bound as in nginx
const firstLine = '# jti:VALUE and kid:VALUE, refused although they verify\n';

/** Where the deny list of a gateway is. */
export function deniedPath(settings: Settings): string {
  return join(dirname(settings.apiKeysFile), 'denied.txt');
}

/**
 * Reads the deny list, and in a cluster the denials of its snapshot.
 * @throws Fault where it may be damaged
 */
export function readDenied(settings: Settings): DenyList {
  const path = deniedPath(settings);
  const shared = readShared(settings)?.denied ?? [];
  const list = parseDenyList(readText(path, maxBytes));
  const ofCluster = parseDenyList(shared.join('\n'));
  if ('fault' in list) throw new Fault(`can't use ${path}: ${list.fault}`);
  if ('fault' in ofCluster) return list; // a snapshot counts no lines
  return {
    jtis: { ...list.jtis, ...ofCluster.jtis },
    kids: { ...list.kids, ...ofCluster.kids },
    problems: list.problems,
  };
}

export interface Denied {
  /** The changed file. */
  file: string;
  /** Whether the audit log has the line of the change. */
  audited: boolean;
  /** Whether the store has it; undefined without a cluster. */
  published?: boolean;
  /** Lines for people. */
  said: string[];
}

/**
 * Adds a line to the deny list unless it is there.
 * @param change what the audit log says of it
 */
export async function denyLine(
  settings: Settings,
  line: string,
  change: (file: string) => AdminChange,
): Promise<Denied> {
  const alone = parseDenyList(line);
  if ('fault' in alone || alone.problems.length > 0 || /[\r\n]/.test(line))
    throw new Fault('a value on the deny list is one line without spaces at its start');
  const { cluster, stateDir } = settings;
  if (cluster === undefined) return denyInFile(settings, line, change);
  const file = sharedFile(settings);
  const shared = await changeShared({ cluster, stateDir }, true, (content) => {
    const denied = content.denied.includes(line) ? content.denied : [...content.denied, line];
    return { content: { ...content, denied }, changes: [change(file)] };
  });
  return { file, audited: shared.audited, published: shared.isPublished, said: [describeShared(shared)] };
}

// The lines are counted anew.
async function denyInFile(settings: Settings, line: string, change: (file: string) => AdminChange): Promise<Denied> {
  const file = deniedPath(settings);
  const audited = await editAudited(file, settings.stateDir, (text) => {
    const whole = parseDenyList(text);
    if ('fault' in whole) throw new Fault(`${file}: ${whole.fault}`, 'mend the file first: what it lost is not known');
    return { text: addDenial(text === '' ? firstLine : text, line), changes: [change(file)] };
  });
  return { file, audited, said: [] };
}
