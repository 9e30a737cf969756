// The container `keys`, which ends before nginx starts: makes the demo key where nobody has set up anything else,
// and sees that nginx and the verifier can read the key file.

import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { prepareDemoKey } from '../demo/demo_key.js';
import { StartFault } from '../demo/preparations.js';
import { readSettings, type Settings } from '../settings/read.js';
import { newKeyCommand } from './facts.js';
import { describe, findUnreadable, readers } from './readable.js';
import { runOnce } from './run_once.js';

function prepareKeys(env: NodeJS.ProcessEnv): void {
  const settings = readSettings(env);
  const file = settings.apiKeysFile;
  if (settings.isApiKeysFileNamed) checkReadable('API_KEYS_FILE_HOST', file);
  const demoKey = prepare({ ...settings, githubToken: env['COPILOT_API'] || undefined });
  if (!settings.isApiKeysFileNamed) checkReadable('API_KEYS_DIR_HOST', file);
  if (settings.isApiKeysFileNamed) {
    console.log('hint: API_KEYS_FILE_HOST is mounted read-only, and an editor that replaces the file is not seen before a restart: API_KEYS_DIR_HOST mounts a folder'); // prettier-ignore
  }
  if (demoKey !== undefined) announce(demoKey.key, env);
}

function checkReadable(name: string, file: string): void {
  const fault = findUnreadable(file, readers());
  if (fault !== undefined) throw new StartFault(`${name}: ${fault}`);
}

function prepare(settings: Settings): ReturnType<typeof prepareDemoKey> {
  const dir = dirname(settings.apiKeysFile);
  try {
    return prepareDemoKey(settings, newKeyCommand);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EACCES' && code !== 'EROFS') throw error;
    throw new StartFault(`API_KEYS_DIR_HOST: ${dir} can't be used by uid ${process.getuid?.()}, gid ${process.getgroups?.().join(' ')} (${code}): it has ${describe(statSync(dir))}`); // prettier-ignore
  }
}

function announce(key: string | undefined, env: NodeJS.ProcessEnv): void {
  if (key === undefined) {
    console.log(
      `the demo key of the first start is still valid; it was shown then. Your own: ${newKeyCommand}`,
    );
    return;
  }
  const host = env['PUBLISH_ADDRESS'] || '127.0.0.1';
  const url = `https://${host === '0.0.0.0' ? '127.0.0.1' : host}:${env['PUBLISHED_PORT'] || '5000'}`;
  console.log(`demo key (shown once): ${key}`);
  console.log(`next, with it in the place of KEY: curl -k -H "Authorization: Bearer KEY" ${url}/v1/models`);
  console.log(`a key of your own: ${newKeyCommand}`);
}

await runOnce(() => prepareKeys(process.env));
