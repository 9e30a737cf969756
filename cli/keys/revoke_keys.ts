// `keygate key revoke`: takes lines out of the key file, and says what may still let their holder in.

import type { Command } from 'commander';
import { parseEnvironmentKeys } from '../../auth/key_file.js';
import { readSettings, type Settings } from '../../settings/read.js';
import { nodePlatform } from '../../node/crypto.js';
import { readKeyText } from './key_text.js';
import { editLocked } from '../../node/locked_file.js';
import { exitCodes, print } from '../output.js';
import { revokeLines, type Revocation } from './revoked_lines.js';
import { describeUptake, waitForUptake } from './uptake.js';
import { Fault } from '../../node/fault.js';

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
  const file = settings.apiKeysFile;
  readKeyText(file); // there must be one
  let done: Revocation | undefined;
  await editLocked(file, (text) => {
    done = revokeLines(text, name);
    if (done.revoked + done.unusable === 0)
      throw new Fault(
        `no key ${name === undefined ? '' : `of ${name} `}in ${file}`,
        'keygate key list shows what is there',
      );
    return done.text;
  });
  const { revoked, unusable, hashes } = done as unknown as Revocation;
  const uptake = await waitForUptake(settings);
  const lines = [`${revoked} revoked.`];
  if (unusable > 0) lines.push(`${unusable} that could not be used taken out too.`);
  const stays = isInEnvironment(settings, hashes);
  if (stays) lines.push('WARNING: the same key stands in API_KEY or API_KEYS and is good as long as it does.');
  print(command, { revoked, unusable, file, uptake, inEnvironment: stays }, [...lines, describeUptake(uptake)]);
}

function isInEnvironment({ apiKey, apiKeys }: Settings, hashes: Set<string>): boolean {
  const { entries } = parseEnvironmentKeys(apiKey ?? '', apiKeys ?? '', nodePlatform);
  return entries.some((entry) => hashes.has(entry.hash));
}
