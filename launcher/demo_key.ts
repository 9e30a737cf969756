// The demo key: there only as long as nobody has set up anything else to let clients in.

import { maxKeyFileBytes, parseKeyFile } from '../auth/key_file.js';
import { makeKey, demoComment, withoutDemoKey } from '../cli/keys/new_key.js';
import { nodePlatform } from '../node/crypto.js';
import { describeFault, FileFault, readRegularFile, textOf } from '../node/regular_file.js';
import { writeAtomically } from '../node/state_files.js';
import type { Settings } from '../settings/read.js';
import { Fault } from '../node/fault.js';

const keyFileMode = 0o640;

/**
 * Makes, keeps or takes out the demo key, as the settings ask for.
 * @param newKeyCommand what makes a key here
 * @returns undefined where there is none; `key` only when it was made just now
 * @throws Fault when a GitHub token is set and nobody could use it
 */
export function prepareDemoKey(
  settings: Settings,
  newKeyCommand = 'npx keygate key new NAME',
): { key: string | undefined; file: string } | undefined {
  const file = settings.apiKeysFile;
  const before = settings.isApiKeysFileNamed ? '' : readKeysOrNone(file);
  const others = withoutDemoKey(before);
  const { entries } = parseKeyFile(others, nodePlatform);
  const hasOwnKeys = entries.length > 0;
  const isGiven = settings.isApiKeysFileNamed || settings.apiKey !== undefined || settings.apiKeys !== undefined;
  const hasKeys = hasOwnKeys || isGiven || settings.cluster !== undefined; // a cluster's keys are in its snapshot
  if (settings.githubToken !== undefined && !hasKeys) {
    throw new Fault(`GITHUB_TOKEN is set but no API key is: make one with \`${newKeyCommand}\`, then start again`);
  }
  if (settings.isApiKeysFileNamed) return undefined;
  const { jwksPath, jwksUrl, jwtProviders } = settings;
  const isWanted = !hasKeys && [jwksPath, jwksUrl, jwtProviders].every((source) => source === undefined);
  if (!isWanted) {
    if (others !== before || before === '') writeAtomically(file, others || '# API keys, one a line\n', keyFileMode);
    return undefined;
  }
  if (others !== before) return { key: undefined, file };
  const { key } = makeKey();
  writeAtomically(file, `${before}${demoComment}\ndemo:$sha256$${nodePlatform.sha256(key)}\n`, keyFileMode);
  return { key, file };
}

function readKeysOrNone(file: string): string {
  try {
    return textOf(readRegularFile(file, maxKeyFileBytes).bytes);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return '';
    if (error instanceof FileFault || code === 'ENXIO')
      throw new Fault(`${file}: ${describeFault(error)}: take it away, or mend it`);
    throw error;
  }
}
