// A signing key of this node that an admin has revoked on another node: the cluster's deny list names it.

import { readFileSync } from 'node:fs';
import { editLocked } from '../../node/locked_file.js';
import { removeKey } from './key_rotation.js';
import { readSigningKeys, signingKeysPath, writeSigningKeys, type SigningAlgorithm } from './stored_keys.js';

/**
 * Takes this node's denied keys out; where that leaves none to sign with, another key signs.
 * @param denied lines of a deny list
 * @returns the kids that were taken out
 */
export async function dropDeniedKeys(stateDir: string, alg: SigningAlgorithm, denied: string[]): Promise<string[]> {
  const kids = new Set(denied.filter((line) => line.startsWith('kid:')).map((line) => line.slice('kid:'.length)));
  const own = () => readSigningKeys(stateDir).map(({ jwk }) => jwk.kid ?? '');
  const dropped: string[] = [];
  if (!own().some((kid) => kids.has(kid))) return dropped;
  await editLocked(signingKeysPath(stateDir), async () => {
    for (const kid of own().filter((one) => kids.has(one))) {
      const left = await removeKey(readSigningKeys(stateDir), kid, { nowSeconds: Math.floor(Date.now() / 1000), alg });
      writeSigningKeys(stateDir, left);
      dropped.push(kid);
    }
    return readFileSync(signingKeysPath(stateDir), 'utf8');
  });
  return dropped;
}
