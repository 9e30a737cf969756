// `keygate key revoke`: takes lines out of the key file and out of the cluster's snapshot, and says what may still let
// their holder in.

import type { Command } from 'commander';
import { parseEnvironmentKeys } from '../../auth/key_file.js';
import { revokedName } from '../../auth/snapshot.js';
import { nodePlatform } from '../../node/crypto.js';
import { Fault } from '../../node/fault.js';
import { readSettings, type Settings } from '../../settings/read.js';
import type { AdminChange, AdminChanges } from '../audit/admin_events.js';
import { changeShared, describeShared, sharedFile, type SharedPlace } from '../audit/audited_change.js';
import { editAudited } from '../audit/audited_edit.js';
import { exitCodes, print } from '../output.js';
import { readKeyText, readKeyTextIfThere } from './key_text.js';
import { revokeLines, type RemovedLine, type Revocation } from './revoke_keys.js';
import { describeUptake, waitForUptake } from './uptake.js';

/** What was revoked. */
interface Revoked {
  revoked: number;
  unusable: number;
  hashes: Set<string>;
  /** The changed file. */
  file: string;
  audited: boolean;
  /** Undefined without a cluster. */
  published?: boolean;
  /** Lines for people. */
  said: string[];
}

/** Revokes the keys of a name, or all of them. */
export async function revokeKeys(
  name: string | undefined,
  options: { all?: boolean },
  command: Command,
): Promise<void> {
  if ((name === undefined) === (options.all !== true)) {
    command.error('error: give a name, or --all', { exitCode: exitCodes.usage });
  }
  const settings = readSettings(process.env);
  const { cluster, stateDir } = settings;
  const done =
    cluster === undefined
      ? await revokeInFile(settings, name)
      : await revokeInCluster({ cluster, stateDir }, settings, name);
  const { hashes, said, ...told } = done;
  const uptake = await waitForUptake(settings);
  const lines = [`${done.revoked} revoked.`];
  if (done.unusable > 0) lines.push(`${done.unusable} that could not be used taken out too.`);
  const stays = isInEnvironment(settings, hashes);
  if (stays && cluster === undefined)
    lines.push('WARNING: the same key stands in API_KEY or API_KEYS and is good as long as it does.');
  const facts = { ...told, uptake, inEnvironment: stays };
  print(command, facts, [...lines, ...said, describeUptake(uptake)]);
}

async function revokeInFile({ apiKeysFile: file, stateDir }: Settings, name: string | undefined): Promise<Revoked> {
  readKeyText(file); // throws where there is no key file
  let done: Revocation | undefined;
  const audited = await editAudited(file, stateDir, (text) => {
    done = revokeLines(text, name);
    if (done.removed.length === 0) throw noKey(name, file);
    return { text: done.text, changes: changesOf(done.removed, file) as AdminChanges };
  });
  const { revoked, unusable, hashes } = done as unknown as Revocation;
  return { revoked, unusable, hashes, file, audited, said: [] };
}

// The snapshot first: from then on no line of such a key counts on any node, whatever becomes of the key file.
async function revokeInCluster(place: SharedPlace, settings: Settings, name: string | undefined): Promise<Revoked> {
  const { apiKeysFile: keyFile } = settings;
  const file = sharedFile(place);
  const local = revokeLines(readKeyTextIfThere(keyFile), name);
  let done = local;
  const shared = await changeShared(place, true, (content, entrySecret) => {
    done = revokeLines(content.keys.join('\n'), name, local.hashes);
    if (done.removed.length + local.removed.length === 0) throw noKey(name, `${keyFile} or in the cluster`);
    const names = [...done.hashes].map((hash) => revokedName({ hash }, entrySecret, nodePlatform));
    const gone = new Set(done.removed.map(({ line }) => line - 1));
    return {
      content: {
        ...content,
        keys: content.keys.filter((_, i) => !gone.has(i)),
        revoked: [...content.revoked, ...names.filter((one) => !content.revoked.includes(one))],
      },
      changes: changesOf([...done.removed, ...local.removed], file) as AdminChanges,
    };
  });
  const { revoked, unusable, audited, said } = await takeOut(settings, name, done.hashes);
  return {
    revoked: done.revoked + revoked,
    unusable: done.unusable + unusable,
    hashes: done.hashes,
    file,
    audited: shared.audited && audited,
    published: shared.isPublished,
    said: [...said, describeShared(shared)],
  };
}

type TakenOut = Pick<Revoked, 'revoked' | 'unusable' | 'audited' | 'said'>;

// A key file that can't be changed, such as a mounted Secret, keeps its lines; they admit nobody.
async function takeOut(
  { apiKeysFile: file, stateDir }: Settings,
  name: string | undefined,
  hashes: Set<string>,
): Promise<TakenOut> {
  const { removed, revoked, unusable } = revokeLines(readKeyTextIfThere(file), name, hashes);
  if (removed.length === 0) return { revoked: 0, unusable: 0, audited: true, said: [] };
  try {
    const audited = await editAudited(file, stateDir, (text) => {
      const done = revokeLines(text, name, hashes);
      return { text: done.text, changes: changesOf(done.removed, file) as AdminChanges };
    });
    return { revoked, unusable, audited, said: [] };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { revoked, unusable, audited: true, said: [`Lines of ${file} stay, and admit nobody: ${error.message}.`] };
  }
}

function changesOf(removed: RemovedLine[], file: string): AdminChange[] {
  return removed.map((one): AdminChange => ({ event: 'key_revoke', ...one, file }));
}

function noKey(name: string | undefined, place: string): Fault {
  const whose = name === undefined ? '' : `of ${name} `;
  return new Fault(`no key ${whose}in ${place}`, 'keygate key list shows what is there');
}

function isInEnvironment({ apiKey, apiKeys }: Settings, hashes: Set<string>): boolean {
  const { entries } = parseEnvironmentKeys(apiKey ?? '', apiKeys ?? '', nodePlatform);
  return entries.some((entry) => hashes.has(entry.hash));
}
