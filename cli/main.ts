// The admin command `keygate`: installs Keygate beside an nginx, manages API keys, signing keys and tokens, and tells
// how the gateway is.

import { existsSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { addInstallCommand } from './install/install_command.js';
import { addJwksCommands } from './signing/jwks_commands.js';
import { addKeyCommands } from './keys/key_commands.js';
import { exitCodes } from './output.js';
import { addProviderCommands } from './providers/provider_commands.js';
import { addStatusCommand } from './status/status_command.js';
import { addTokenCommands } from './tokens/token_commands.js';
import { explainError } from '../node/fault.js';
import { loadEnvFile } from '../settings/env_file.js';

const program = new Command('keygate')
  .description('Installs Keygate beside an nginx, and manages the API keys and signing keys of a gateway.')
  .option('--json', 'print one JSON object, for scripts')
  .option('--settings <file>', 'read settings from this file instead of .env')
  .showHelpAfterError()
  .addHelpText(
    'after',
    `
Settings come from the environment, then from a .env file in the working folder, or the one that --settings names:
STATE_DIR, API_KEYS_FILE, JWT_TTL, ...

Exit codes: 0 done; 1 failed, or problems were found; 2 the command line was wrong.`,
  )
  .exitOverride();

addInstallCommand(program);
addKeyCommands(program);
addJwksCommands(program);
addTokenCommands(program);
addProviderCommands(program);
addStatusCommand(program);
for (const command of program.commands) command.exitOverride().commands.forEach((one) => one.exitOverride());

program.hook('preAction', () => loadSettings(program.opts<{ settings?: string }>().settings));
try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = explain(error);
}

function loadSettings(named: string | undefined): void {
  if (named === undefined && !existsSync('.env')) return;
  loadEnvFile(named ?? '.env', process.env);
}

function explain(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
  for (const line of explainError(error)) console.error(line);
  return exitCodes.failed;
}
