// `keygate jwks ...`: the keys that sign our own tokens.

import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { calculateJwkThumbprint, type JWK } from 'jose';
import { parseJwks } from '../../auth/jwk.js';
import { maxKeyFileBytes } from '../../auth/key_file.js';
import { sharedJwksPath } from '../../cluster/signers.js';
import { nodePlatform } from '../../node/crypto.js';
import { readText } from '../../node/regular_file.js';
import { readSettings, type Settings } from '../../settings/read.js';
import { activate, addNext, publishSeconds, removeKey } from '../../verifier/signing/key_rotation.js';
import { makeSigningKey, readSigningKeys, type SigningAlgorithm } from '../../verifier/signing/stored_keys.js';
import { denyLine } from '../denied_file.js';
import { changeSigningKeys } from './change_signing_keys.js';
import { print } from '../output.js';
import { Fault } from '../../node/fault.js';

const nowSeconds = () => Math.floor(Date.now() / 1000);
const takeUpMs = 1500; // nginx takes a published key up within this time

/** Adds the commands to the program. */
export function addJwksCommands(program: Command): void {
  const jwks = program.command('jwks').description('keys that sign the tokens of POST /token');
  jwks
    .command('rotate')
    .description(
      `publish a new key, let it sign after ${publishSeconds} s, keep the old one until its last token has expired`,
    )
    .option('--now', 'let it sign as soon as nginx has it')
    .action((options: { now?: boolean }, command: Command) => rotate(command, options.now === true));
  jwks
    .command('revoke')
    .description('stop trusting a key at once: its tokens are refused')
    .argument('<kid>')
    .allowUnknownOption() // a kid may begin with a dash
    .action(revoke);
  jwks
    .command('import')
    .description('sign with a private key from a JWK or JWK set file')
    .argument('<file>')
    .action(importFile);
  jwks.command('list').description('list the keys, without their private members').action(list);
}

async function rotate(command: Command, isNow: boolean): Promise<void> {
  const settings = readSettings(process.env);
  const jwk = await makeSigningKey(settings.jwtAlg);
  const { kid = '', alg = '' } = jwk;
  const signsFrom = new Date(Date.now() + (isNow ? 0 : publishSeconds * 1000)).toISOString();
  const isAdded = await changeSigningKeys(settings, (keys) => ({
    keys: addNext(keys, jwk, nowSeconds()),
    changes: [{ event: 'jwks_rotate', kid, alg, signs_from: signsFrom }],
  }));
  const isActivated = !isNow || (await activateSoon(settings, kid));
  print(command, { kid, alg, signsFrom, audited: isAdded && isActivated }, [
    `Rotating to ${kid}: published now, signs from ${signsFrom}.`,
  ]);
}

async function activateSoon(settings: Settings, kid: string): Promise<boolean> {
  await new Promise((resolve) => setTimeout(resolve, takeUpMs));
  return changeSigningKeys(settings, (keys) => ({
    keys: activate(keys, kid, nowSeconds()),
    changes: [{ event: 'jwks_activate', kid }],
  }));
}

async function revoke(kid: string, _: object, command: Command): Promise<void> {
  const settings = readSettings(process.env);
  const isOwn = readSigningKeys(settings.stateDir).some((key) => key.jwk.kid === kid);
  if (!isOwn && !isOfOtherNode(settings, kid))
    throw new Fault(`there is no key ${kid}`, 'keygate jwks list shows those there are');
  const isTakenOut = !isOwn || (await takeOut(settings, kid));
  const { said, ...denied } = await denyLine(settings, `kid:${kid}`, (file) => ({ event: 'jwks_deny', kid, file }));
  const { published } = denied;
  const facts = {
    revoked: kid,
    audited: isTakenOut && denied.audited,
    ...(published === undefined ? {} : { published }),
  };
  print(command, facts, [`${kid} is no longer trusted; its tokens are refused within a second.`, ...said]);
}

// Its node takes it out as soon as it hears of the denial, and signs with another.
function isOfOtherNode({ cluster, stateDir }: Settings, kid: string): boolean {
  if (cluster === undefined) return false;
  const parsed = parseJwks(readText(sharedJwksPath(stateDir), maxKeyFileBytes), nodePlatform);
  return !('fault' in parsed) && parsed.keys.some((key) => key.kid === kid);
}

function takeOut(settings: Settings, kid: string): Promise<boolean> {
  return changeSigningKeys(settings, async (before) => {
    const keys = await removeKey(before, kid, { nowSeconds: nowSeconds(), alg: settings.jwtAlg });
    const signing = keys.find(({ state }) => state === 'active')?.jwk.kid ?? null;
    return { keys, changes: [{ event: 'jwks_revoke', kid, signing_kid: signing }] };
  });
}

async function importFile(file: string, _: object, command: Command): Promise<void> {
  const settings = readSettings(process.env);
  const jwks = await readPrivateJwks(file);
  let audited = true;
  for (const jwk of jwks) {
    const isAdded = await changeSigningKeys(settings, (keys) => ({
      keys: addNext(keys, jwk, nowSeconds()),
      changes: [{ event: 'jwks_import', kid: jwk.kid, alg: jwk.alg }],
    }));
    audited &&= isAdded;
  }
  const signing = (jwks[0] as ImportedJwk).kid;
  audited = (await activateSoon(settings, signing)) && audited;
  const kids = jwks.map((jwk) => jwk.kid);
  print(command, { imported: kids, signing, audited }, [`Imported ${kids.join(', ')}; ${signing} signs now.`]);
}

type ImportedJwk = JWK & { kid: string; alg: string };

async function readPrivateJwks(file: string): Promise<ImportedJwk[]> {
  let parsed: JWK & { keys?: JWK[] };
  try {
    parsed = JSON.parse(readFileSync(file, 'utf8')) as JWK;
  } catch {
    throw new Fault(`${file} is not a readable JSON file`, 'expected a private JWK, or a set {"keys":[...]}');
  }
  const usable = (parsed.keys ?? [parsed]).filter((jwk) => typeof jwk.d === 'string' && algorithmOf(jwk) !== undefined);
  if (usable.length === 0)
    throw new Fault(
      `${file} holds no private key that can sign`,
      'expected RSA, EC P-256 or Ed25519 with its member d',
    );
  return Promise.all(
    usable.map(async (jwk) => ({
      ...jwk,
      alg: algorithmOf(jwk) as string,
      use: 'sig',
      kid: jwk.kid ?? (await calculateJwkThumbprint(jwk)),
    })),
  );
}

function algorithmOf({ kty, crv }: JWK): SigningAlgorithm | undefined {
  if (kty === 'RSA') return 'RS256';
  if (kty === 'EC' && crv === 'P-256') return 'ES256';
  return kty === 'OKP' && crv === 'Ed25519' ? 'EdDSA' : undefined;
}

function list(_: object, command: Command): void {
  const { stateDir } = readSettings(process.env);
  const keys = readSigningKeys(stateDir).map(({ state, sinceSeconds, jwk }) => ({
    kid: jwk.kid,
    alg: jwk.alg,
    state,
    since: new Date(sinceSeconds * 1000).toISOString(),
  }));
  const lines = keys.map((key) => `${key.kid}  ${key.alg}  ${key.state} since ${key.since}`);
  print(command, { keys }, lines.length === 0 ? ['no keys'] : lines);
}
