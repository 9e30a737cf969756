// `keygate jwks ...`: the keys that sign our own tokens.

import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { calculateJwkThumbprint, type JWK } from 'jose';
import { readSettings, type Settings } from '../../settings/read.js';
import { activate, addNext, publishSeconds, removeKey } from '../../verifier/signing/key_rotation.js';
import {
  makeSigningKey,
  readSigningKeys,
  signingKeysPath,
  writeSigningKeys,
  type SigningAlgorithm,
  type StoredSigningKey,
} from '../../verifier/signing/stored_keys.js';
import { deniedPath, denyLine } from '../denied_file.js';
import { editLocked } from '../../node/locked_file.js';
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

// The file of private keys and the published JWKS change together, under the lock of the private file.
async function change(
  settings: Settings,
  by: (keys: StoredSigningKey[]) => Promise<StoredSigningKey[]> | StoredSigningKey[],
): Promise<void> {
  await editLocked(signingKeysPath(settings.stateDir), async () => {
    writeSigningKeys(settings.stateDir, await by(readSigningKeys(settings.stateDir)));
    return readFileSync(signingKeysPath(settings.stateDir), 'utf8');
  });
}

async function rotate(command: Command, isNow: boolean): Promise<void> {
  const settings = readSettings(process.env);
  const jwk = await makeSigningKey(settings.jwtAlg);
  await publish(settings, jwk, isNow);
  const signsFrom = new Date(Date.now() + (isNow ? 0 : publishSeconds * 1000)).toISOString();
  print(command, { kid: jwk.kid, alg: jwk.alg, signsFrom }, [
    `Rotating to ${jwk.kid}: published now, signs from ${signsFrom}.`,
  ]);
}

async function publish(settings: Settings, jwk: JWK, isNow: boolean): Promise<void> {
  await change(settings, (keys) => addNext(keys, jwk, nowSeconds()));
  if (!isNow) return;
  await new Promise((resolve) => setTimeout(resolve, takeUpMs));
  await change(settings, (keys) => activate(keys, jwk.kid ?? '', nowSeconds()));
}

async function revoke(kid: string, _: object, command: Command): Promise<void> {
  const settings = readSettings(process.env);
  await change(settings, async (keys) => {
    if (!keys.some((key) => key.jwk.kid === kid))
      throw new Fault(`there is no key ${kid}`, 'keygate jwks list shows those there are');
    return removeKey(keys, kid, { nowSeconds: nowSeconds(), alg: settings.jwtAlg });
  });
  await denyLine(deniedPath(settings), `kid:${kid}`);
  print(command, { revoked: kid }, [`${kid} is no longer trusted; its tokens are refused within a second.`]);
}

async function importFile(file: string, _: object, command: Command): Promise<void> {
  const settings = readSettings(process.env);
  const jwks = await readPrivateJwks(file);
  for (const jwk of jwks) await change(settings, (keys) => addNext(keys, jwk, nowSeconds()));
  const first = jwks[0] as JWK;
  await publish(settings, first, true);
  const kids = jwks.map((jwk) => jwk.kid);
  print(command, { imported: kids, signing: first.kid }, [`Imported ${kids.join(', ')}; ${first.kid} signs now.`]);
}

async function readPrivateJwks(file: string): Promise<JWK[]> {
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
