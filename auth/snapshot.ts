// What the nodes of a cluster share, as STATE_DIR/shared/snapshot.json of each node holds it: keys, revoked keys and
// denials. nginx and the sidecar read it as a further source beside the key file and the deny list.

import { isJsonObject } from './json.js';
import type { KeyEntry } from './key_record.js';
import type { Platform } from './platform.js';

export interface Snapshot {
  /** Counts the changes of the cluster; a snapshot with a smaller number is older. */
  number: number;
  /** Lines of a key file, without comments. */
  keys: string[];
  /** Keys that no longer hold, wherever a line for them stands (revokedName). */
  revoked: string[];
  /** Lines of a deny list: `jti:VALUE` and `kid:VALUE`. */
  denied: string[];
}

const nameCharacters = 22;

/**
 * Names a key in the list of revoked keys: whatever line a key file has for it, and whatever attributes.
 * @param secret the HMAC key of the entries' fingerprints, the same on every node
 * @returns 22 characters
 */
export function revokedName(entry: Pick<KeyEntry, 'hash'>, secret: string, platform: Platform): string {
  return platform.hmacSha256(secret, `revoked ${entry.hash}`).slice(0, nameCharacters);
}

/** @returns the snapshot, or a fault where the text is none */
export function parseSnapshot(text: string): Snapshot | { fault: string } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (_) {
    return { fault: 'expected JSON' };
  }
  if (!isJsonObject(value)) return { fault: 'expected a JSON object' };
  const { number, keys, revoked, denied } = value;
  if (typeof number !== 'number' || !(number >= 0) || Math.floor(number) !== number)
    return { fault: 'expected `number` to be a whole number' };
  if (!isLines(keys)) return { fault: 'expected `keys` to be a list of lines' };
  if (!isLines(revoked)) return { fault: 'expected `revoked` to be a list of lines' };
  if (!isLines(denied)) return { fault: 'expected `denied` to be a list of lines' };
  return { number, keys, revoked, denied };
}

function isLines(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string' && !/[\r\n]/.test(one));
}
