// `keygate token ...`: refuses a token by its jti, and explains what the gateway would decide about a token.

import type { Command } from 'commander';
import { parseKeyId } from '../../auth/credential.js';
import { readSettings } from '../../settings/read.js';
import { denyLine } from '../denied_file.js';
import { print } from '../output.js';
import { Fault } from '../../node/fault.js';
import { inspect } from './inspect_token.js';

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
    .description(
      'read a token from standard input and say, claim by claim and provider by provider, what the gate says',
    )
    .option('--fetch', 'fetch the keys of JWKS_URL and of providers too')
    .option('--certificate <file>', "the client's certificate (PEM), for a token that is bound to it")
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
