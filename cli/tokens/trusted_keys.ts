// The keys that the gateway trusts, as the files of this machine have them.

import { join } from 'node:path';
import type { Jwk } from '../../auth/algorithms.js';
import { parseJwks } from '../../auth/jwk.js';
import { maxKeyFileBytes, parseKeyFile } from '../../auth/key_file.js';
import { entryFingerprint, recordOf, type KeyEntry } from '../../auth/key_record.js';
import type { ProvidersByIssuer } from '../../auth/token_rules.js';
import type { TrustedKeys } from '../../auth/token_verdict.js';
import { sharedJwksPath } from '../../cluster/signers.js';
import { nodePlatform } from '../../node/crypto.js';
import { readText } from '../../node/regular_file.js';
import type { Settings } from '../../settings/read.js';
import { publicJwksPath } from '../../verifier/signing/stored_keys.js';
import { readDenied } from '../denied_file.js';
import { readSources } from '../keys/key_sources.js';

/**
 * The keys that the gateway trusts, of the files of this machine.
 * @param unnamed further keys of the unnamed provider
 */
export function readTrustedKeys(
  settings: Settings,
  unnamed: Jwk[],
  providers: ProvidersByIssuer | undefined,
): TrustedKeys {
  const ofOthers = settings.cluster === undefined ? [] : readJwks(sharedJwksPath(settings.stateDir));
  const minting = [...readJwks(publicJwksPath(settings.stateDir)), ...ofOthers];
  const local = settings.jwksPath === undefined ? [] : readJwks(settings.jwksPath);
  const denied = readDenied(settings);
  const secret = readText(join(settings.stateDir, 'public', 'entry_secret'), maxKeyFileBytes).trim();
  const entries = readEntries(settings);
  return {
    minting: minting.length === 0 ? undefined : { issuer: settings.mintIssuer, keys: minting },
    unnamed: { keys: [...local, ...unnamed], lacksJwks: false },
    providers,
    hasDenyList: true,
    isDeniedKid: (kid) => denied.kids[kid] === true,
    isDeniedJti: (jti) => denied.jtis[jti] === true,
    hasEntries: () => true,
    findEntry: (fingerprint) => {
      const entry = entries.find((one) => entryFingerprint(one, secret, nodePlatform) === fingerprint);
      return entry && recordOf(entry, fingerprint);
    },
  };
}

function readEntries(settings: Settings): KeyEntry[] {
  if (settings.cluster !== undefined)
    return readSources(settings).flatMap(({ keys, isRevoked }) => keys.entries.filter((one) => !isRevoked(one)));
  return parseKeyFile(readText(settings.apiKeysFile, maxKeyFileBytes), nodePlatform).entries;
}

function readJwks(path: string): Jwk[] {
  const parsed = parseJwks(readText(path, maxKeyFileBytes), nodePlatform);
  return 'fault' in parsed ? [] : parsed.keys;
}
