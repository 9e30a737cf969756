// The key file as a command reads it.

import { maxKeyFileBytes } from '../../auth/key_file.js';
import { describeFault, readRegularFile } from '../../node/regular_file.js';
import { Fault } from '../../node/fault.js';

/**
 * @returns the file's text
 * @throws Fault when there is none, or it is no regular file
 */
export function readKeyText(file: string): string {
  try {
    return readRegularFile(file, maxKeyFileBytes).bytes.toString('utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      throw new Fault(`there is no key file ${file}`, 'make a key with: keygate key new NAME');
    throw new Fault(`can't use ${file}: ${describeFault(error)}`);
  }
}
