// Where the line of a new key goes: into the key file, or into the snapshot of the cluster, so that every node has it.

import { parseKeyFile } from '../../auth/key_file.js';
import type { KeyEntry } from '../../auth/key_record.js';
import { nodePlatform } from '../../node/crypto.js';
import { lineEndOf } from '../../node/locked_file.js';
import type { Settings } from '../../settings/read.js';
import type { AdminChange, AdminChanges } from '../audit/admin_events.js';
import { changeShared, describeShared, sharedFile, type SharedPlace } from '../audit/audited_change.js';
import { editAudited } from '../audit/audited_edit.js';
import { demoLine, withoutDemoKey } from './new_key.js';
import { describeEntry } from './revoke_keys.js';

export interface AddedKey {
  /** Where the line is. */
  file: string;
  /** How many keys of the name are there, the new one included. */
  ofThatName: number;
  hadDemo: boolean;
  /** Whether the audit log has the lines of the change. */
  audited: boolean;
  /** Lines for people. */
  said: string[];
}

/** Adds the line of a new key. */
export function addKey(settings: Settings, name: string, line: string): Promise<AddedKey> {
  const { cluster, stateDir } = settings;
  return cluster === undefined ? addToFile(settings, name, line) : addToCluster({ cluster, stateDir }, name, line);
}

async function addToFile({ apiKeysFile: file, stateDir }: Settings, name: string, line: string): Promise<AddedKey> {
  let hadDemo = false;
  let ofThatName = 0;
  const audited = await editAudited(file, stateDir, (text) => {
    const others = withoutDemoKey(text);
    hadDemo = others !== text;
    const end = lineEndOf(text);
    const after = `${others}${others === '' || others.endsWith('\n') ? '' : end}${line}${end}`;
    ofThatName = countOf(name, after);
    return { text: after, changes: changesOf(line, file, hadDemo ? text : '') };
  });
  return { file, ofThatName, hadDemo, audited, said: [] };
}

async function addToCluster(place: SharedPlace, name: string, line: string): Promise<AddedKey> {
  const file = sharedFile(place);
  let ofThatName = 0;
  const changed = await changeShared(place, false, (content) => {
    const keys = [...content.keys, line];
    ofThatName = countOf(name, keys.join('\n'));
    return { content: { ...content, keys }, changes: changesOf(line, file, '') };
  });
  return { file, ofThatName, hadDemo: false, audited: changed.audited, said: [describeShared(changed)] };
}

function countOf(name: string, text: string): number {
  return parseKeyFile(text, nodePlatform).entries.filter((entry) => entry.name === name).length;
}

/** @param before the text with the demo key, where the key was taken out; else empty */
function changesOf(line: string, file: string, before: string): AdminChanges {
  const { name, kind, id } = parseKeyFile(line, nodePlatform).entries[0] as KeyEntry;
  const words = line.split(' ').slice(1);
  const attributes = words.map((word) => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)]);
  const demo = parseKeyFile(before, nodePlatform).entries.filter(({ text }) => demoLine.test(text));
  return [
    {
      event: 'key_new',
      subject: name,
      key_id: id,
      kind: kind === 'bcrypt' ? kind : 'sha256',
      attributes: Object.fromEntries(attributes.filter(([attribute]) => attribute !== 'id')) as {
        [name: string]: string;
      },
      file,
    },
    ...demo.map((one): AdminChange => ({ event: 'key_revoke', ...describeEntry(one), file })),
  ];
}
