// How the commands change the signing keys: the file of private keys and the published JWKS change together, under the
// lock of the private file.

import { readFileSync } from 'node:fs';
import type { Settings } from '../../settings/read.js';
import { readSigningKeys, signingKeysPath, writeSigningKeys } from '../../verifier/signing/stored_keys.js';
import type { StoredSigningKey } from '../../verifier/signing/stored_keys.js';
import type { AdminChanges } from '../audit/admin_events.js';
import { editAudited } from '../audit/audited_edit.js';

export interface ChangedKeys {
  keys: StoredSigningKey[];
  changes: AdminChanges;
}

/**
 * Changes the signing keys, and writes the changes to the audit log.
 * @param change gets the stored keys, and throws to keep them
 * @returns whether the audit log has the lines
 */
export function changeSigningKeys(
  { stateDir }: Settings,
  change: (keys: StoredSigningKey[]) => ChangedKeys | Promise<ChangedKeys>,
): Promise<boolean> {
  const path = signingKeysPath(stateDir);
  return editAudited(path, stateDir, async () => {
    const { keys, changes } = await change(readSigningKeys(stateDir));
    writeSigningKeys(stateDir, keys);
    return { text: readFileSync(path, 'utf8'), changes };
  });
}
