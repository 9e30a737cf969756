// API keys before a start in containers: the demo key where nothing else is set up, and whether nginx and the verifier
// can read the key file.

import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { prepareDemoKey } from '../launcher/demo_key.js';
import type { Settings } from '../settings/read.js';
import { newKeyCommand } from './facts.js';
import { describeOwner, findUnreadable, readers } from './readable.js';
import { Fault } from '../node/fault.js';

type DemoKey = ReturnType<typeof prepareDemoKey>;

/** @throws Fault when the key file can't be used, or there is a GitHub token and no key */
export function prepareKeys(settings: Settings, hasCopilot: boolean): DemoKey {
  const { apiKeysFile, isApiKeysFileNamed } = settings;
  const name = nameOfSource(settings);
  if (isApiKeysFileNamed) checkReadable(name, apiKeysFile);
  const demoKey = prepare({ ...settings, githubToken: hasCopilot ? 'set' : undefined });
  checkReadable(name, apiKeysFile);
  return demoKey;
}

// A file of a folder is a pod's: API_KEYS_FILE names it there. Compose mounts the file of API_KEYS_FILE_HOST by itself.
function nameOfSource({ apiKeysFile, isApiKeysFileNamed }: Settings): string {
  if (!isApiKeysFileNamed) return 'API_KEYS_DIR_HOST';
  return isMountedAlone(apiKeysFile) ? 'API_KEYS_FILE_HOST' : 'API_KEYS_FILE';
}

function isMountedAlone(file: string): boolean {
  const found = statSync(file, { throwIfNoEntry: false });
  return found !== undefined && found.dev !== statSync(dirname(file)).dev;
}

function checkReadable(name: string, file: string): void {
  const fault = findUnreadable(file, readers());
  if (fault !== undefined) throw new Fault(`${name}: ${fault}`);
}

function prepare(settings: Settings): DemoKey {
  const dir = dirname(settings.apiKeysFile);
  try {
    return prepareDemoKey(settings, newKeyCommand);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EACCES' && code !== 'EROFS') throw error;
    throw new Fault(
      `API_KEYS_DIR_HOST: ${dir} can't be used by uid ${process.getuid?.()}, gid ` +
        `${process.getgroups?.().join(' ')} (${code}): it ` +
        `has ${describeOwner(statSync(dir))}`,
    );
  }
}

/** Says what the operator types next. */
export function announceKeys(settings: Settings, demoKey: DemoKey, env: NodeJS.ProcessEnv): void {
  if (nameOfSource(settings) === 'API_KEYS_FILE_HOST') {
    console.log(
      'hint: the file of API_KEYS_FILE_HOST can not be changed from here, and what replaces it is not seen before ' +
        'a restart: API_KEYS_DIR_HOST mounts a folder',
    );
  }
  if (demoKey === undefined) return;
  if (demoKey.key === undefined) {
    console.log(`the demo key is still valid; it was shown at the first start. Your own: ${newKeyCommand}`);
    return;
  }
  const host = (env['PUBLISH_ADDRESS'] || '127.0.0.1').replace('0.0.0.0', '127.0.0.1');
  const url = `https://${host}:${env['PUBLISHED_PORT'] || '5000'}`;
  console.log(`demo key (shown once): ${demoKey.key}`);
  console.log(`next, with it in the place of KEY: curl -k -H "Authorization: Bearer KEY" ${url}/v1/models`);
  console.log(`a key of your own: ${newKeyCommand}`);
}
