// `keygate token ...`: refuses a token by its jti, and explains what the gateway would decide about a token.

import { join } from 'node:path';
import type { Command } from 'commander';
import { parseKeyId } from '../../auth/credential.js';
import { entryFingerprint, recordOf, type KeyEntry } from '../../auth/key_record.js';
import { maxKeyFileBytes, parseKeyFile } from '../../auth/key_file.js';
import { parseJwks } from '../../auth/jwk.js';
import type { Jwk } from '../../auth/algorithms.js';
import { parseToken } from '../../auth/jwt.js';
import { parseList } from '../../auth/location_settings.js';
import { refusals } from '../../auth/refusals.js';
import { decideToken, type TrustedKeys } from '../../auth/token_verdict.js';
import { sharedJwksPath } from '../../cluster/signers.js';
import { readSettings, type Settings } from '../../settings/read.js';
import { nodePlatform } from '../../node/crypto.js';
import { readText } from '../../node/regular_file.js';
import { publicJwksPath } from '../../verifier/signing/stored_keys.js';
import { denyLine, readDenied } from '../denied_file.js';
import { readSources } from '../keys/key_sources.js';
import { explainClaims } from './explain_claims.js';
import { print } from '../output.js';
import { readSecret } from '../secret_input.js';
import { Fault } from '../../node/fault.js';

/** Adds the commands to the program. */
export function addTokenCommands(program: Command): void {
  const token = program.command('token').description('tokens');
  token
    .command('revoke')
    .description('refuse the token with this jti')
    .argument('<jti>')
    .allowUnknownOption() // a jti may begin with a dash
    .action(revoke);
  token
    .command('inspect')
    .description('read a token from standard input and say, claim by claim, what the gate would say and why')
    .action(inspect);
}

async function revoke(jti: string, _: object, command: Command): Promise<void> {
  refuseCredential(jti);
  const settings = readSettings(process.env);
  const { said, ...denied } = await denyLine(settings, `jti:${jti}`, (file) => ({ event: 'token_revoke', jti, file }));
  print(command, { revoked: jti, ...denied }, [
    `The token ${jti} is refused within a second; it stands in ${denied.file}.`,
    ...said,
  ]);
}

// Pasted by mistake, it would stand in the deny list and in the audit log.
function refuseCredential(jti: string): void {
  if (/^eyJ[\w-]*\.[\w-]+\.[\w-]*$/.test(jti))
    throw new Fault('this is a token, and not its jti', 'keygate token inspect reads the token and prints its jti');
  if (parseKeyId(jti) !== '') throw new Fault('this is an API key, and no jti', 'keygate key revoke takes its name');
}

async function inspect(_: object, command: Command): Promise<void> {
  const settings = readSettings(process.env);
  const token = (await readSecret('Token (not shown): ')).trim().replace(/^bearer +/i, '');
  const jwt = {
    issuers: parseList(settings.jwtIssuer ?? ''),
    audiences: parseList(settings.jwtAudience ?? ''),
    leewaySeconds: settings.jwtLeewaySeconds,
  };
  const nowSeconds = Date.now() / 1000;
  const keys = trustedKeys(settings);
  const verdict = await decideToken({ token, nowSeconds, settings: jwt, keys, platform: nodePlatform });
  const parsed = parseToken(token, nodePlatform);
  const claims = 'reason' in parsed ? [] : explainClaims(parsed.unverifiedClaims, { settings: jwt, nowSeconds, keys });
  const header = 'reason' in parsed ? undefined : { alg: parsed.algorithm, kid: parsed.kid ?? null };
  const reason = verdict.admitted ? undefined : verdict.reason;
  const lines = [
    ...(header === undefined ? [] : [`alg: ${header.alg}`, `kid: ${header.kid ?? '(none)'}`]),
    ...claims.map(({ claim, value, verdict: said }) => `${claim}: ${value}  ${said}`),
    reason === undefined ? 'ADMITTED' : `REFUSED: ${reason}: ${refusals()[reason].message}`,
  ];
  if (settings.jwksUrl !== undefined) lines.push('(keys of JWKS_URL were not looked at)');
  print(command, { admitted: verdict.admitted, reason: reason ?? null, header: header ?? null, claims }, lines);
  if (!verdict.admitted) throw new Fault('');
}

function trustedKeys(settings: Settings): TrustedKeys {
  const ofOthers = settings.cluster === undefined ? [] : readJwks(sharedJwksPath(settings.stateDir));
  const minting = [...readJwks(publicJwksPath(settings.stateDir)), ...ofOthers];
  const denied = readDenied(settings);
  const secret = readText(join(settings.stateDir, 'public', 'entry_secret'), maxKeyFileBytes).trim();
  const entries = readEntries(settings);
  return {
    minting: minting.length === 0 ? undefined : { issuer: settings.mintIssuer, keys: minting },
    local: settings.jwksPath === undefined ? [] : readJwks(settings.jwksPath),
    remote: undefined,
    lacksJwks: false,
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
