// Which entry of the key file a credential matches: by digest, by its id, else against every bcrypt hash without an id.
// A credential that arrives many times at once is checked once. The outcome is remembered for 10 s, so that a client
// that gave up and asks again does not start from the first hash.

import { randomBytes } from 'node:crypto';
import { checkKeyForm, parseKeyId } from '../../auth/credential.js';
import { type KeyEntry, checkEntry } from '../../auth/key_record.js';
import type { Reason } from '../../auth/refusals.js';
import type { BcryptPool } from '../bcrypt/bcrypt_pool.js';
import type { LoadedKeys } from './loaded_keys.js';
import { nodePlatform } from '../../node/crypto.js';

export type KeyCheck =
  | { entry: KeyEntry }
  /**
   * `matched`: the entry that the key matches and that no longer holds. `verifier_busy`: the key was not checked in
   * time. With a full queue, the next key will not be checked either.
   */
  | { reason: Reason; matched?: KeyEntry; isQueueFull?: boolean };

/** Checks a credential; `onWork` is called when this call starts a check by bcrypt. */
export type CheckKey = (credential: string, keys: LoadedKeys, onWork?: () => void) => Promise<KeyCheck>;

const rememberMs = 10000;
const maxRemembered = 10000;

/** Makes the check over one pool. */
export function makeCheckKey(pool: Pick<BcryptPool, 'findMatch'>): CheckKey {
  const secret = randomBytes(32).toString('base64url');
  const running = new Map<string, Promise<KeyCheck>>();
  const outcomes = new Map<string, { entry: KeyEntry | undefined; untilMs: number }>();

  const checkHashed = async (credential: string, keys: LoadedKeys, id: string): Promise<KeyCheck> => {
    const candidates = candidatesFor(credential, keys);
    const hashes = candidates.map((entry) => entry.hash);
    const match = hashes.length === 0 ? -1 : await pool.findMatch(credential, hashes);
    if (match === 'full' || match === 'timed out') return { reason: 'verifier_busy', isQueueFull: match === 'full' };
    const entry = candidates[match];
    if (outcomes.size >= maxRemembered) outcomes.clear();
    outcomes.set(id, { entry, untilMs: performance.now() + rememberMs });
    return verdictOn(entry);
  };

  return async (credential, keys, onWork) => {
    const known = keys.byDigest.get(nodePlatform.sha256(credential));
    if (known !== undefined) return verdictOn(known);
    if (checkKeyForm(credential) !== undefined) return { reason: 'unknown_key' };
    const id = nodePlatform.hmacSha256(secret, `${keys.generation}\n${credential}`);
    const outcome = outcomes.get(id);
    if (outcome !== undefined && outcome.untilMs > performance.now()) return verdictOn(outcome.entry);
    const checking = running.get(id);
    if (checking !== undefined) return checking;
    onWork?.();
    const started = checkHashed(credential, keys, id).finally(() => running.delete(id));
    running.set(id, started);
    return started;
  };
}

// A generated key names its entry, so at most one hash is tried for it.
function candidatesFor(credential: string, keys: LoadedKeys): KeyEntry[] {
  const id = parseKeyId(credential);
  if (id === '') return keys.hashedWithoutId;
  const named = keys.hashedById.get(id);
  return named === undefined ? [] : [named];
}

function verdictOn(entry: KeyEntry | undefined): KeyCheck {
  if (entry === undefined) return { reason: 'unknown_key' };
  const reason = checkEntry(entry, Date.now() / 1000);
  return reason === undefined ? { entry } : { reason, matched: entry };
}
