// Whether a command can use the key file.

import { readFileText, type FileText } from '../../auth/file_text.js';
import { maxKeyFileBytes } from '../../auth/key_file.js';
import { nodePlatform } from '../../node/crypto.js';
import { Fault } from '../../node/fault.js';
import { describeFault, readRegularFile, readText } from '../../node/regular_file.js';

/**
 * @returns the file's text, or why its content is no text
 * @throws Fault when there is no file, or it is no regular file
 */
export function readKeyContent(file: string): FileText {
  try {
    return readFileText(readRegularFile(file, maxKeyFileBytes).bytes, nodePlatform);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      throw new Fault(`there is no key file ${file}`, 'make a key with: keygate key new NAME');
    throw new Fault(`can't use ${file}: ${describeFault(error)}`);
  }
}

/**
 * @returns empty where there is no key file
 * @throws Fault when it can't be used
 */
export function readKeyTextIfThere(file: string): string {
  return readText(file, maxKeyFileBytes);
}

/** @throws Fault when there is no key file, or it can't be used */
export function readKeyText(file: string): string {
  const content = readKeyContent(file);
  if ('fault' in content) throw new Fault(`can't use ${file}: ${content.fault}`);
  return content.text;
}
