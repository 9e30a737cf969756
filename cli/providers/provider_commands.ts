// `keygate provider check`: whether the keys of identity providers can be had, and what issuers offer that is refused.

import type { Command } from 'commander';
import type { JwkProblem } from '../../auth/jwk.js';
import type { ProviderEntry } from '../../auth/provider_members.js';
import { Fault } from '../../node/fault.js';
import { readGoodProviders } from '../../settings/providers_file.js';
import { readSettings, type Settings } from '../../settings/read.js';
import { print } from '../output.js';
import { compareOffered, type Offered, type UsedKey } from './offered.js';
import { loadKeys } from './provider_keys.js';

/** Adds the commands to the program. */
export function addProviderCommands(program: Command): void {
  const provider = program.command('provider').description('identity providers of JWT_PROVIDERS');
  provider
    .command('check')
    .description('fetch the keys of each provider, and say what is refused; exit code 1 if one has no usable key')
    .argument('[name]', 'one provider alone')
    .action(check);
}

interface Checked extends Offered {
  name: string;
  from: string[];
  fault: string | null;
}

async function check(name: string | undefined, _: object, command: Command): Promise<void> {
  const settings = readSettings(process.env);
  const chosen = chooseProviders(settings, name);
  const checked = await Promise.all(chosen.map((entry) => checkProvider(entry, settings)));
  print(command, { file: settings.jwtProviders ?? null, providers: checked }, checked.flatMap(describe));
  if (checked.some(({ fault }) => fault !== null)) throw new Fault('');
}

function chooseProviders(settings: Settings, name: string | undefined): ProviderEntry[] {
  if (settings.jwtProviders === undefined)
    throw new Fault('JWT_PROVIDERS is not set', 'set it to the file that describes your identity providers');
  const providers = readGoodProviders(settings);
  const chosen = providers.filter((one) => name === undefined || one.name === name);
  if (chosen.length > 0) return chosen;
  throw new Fault('no provider has this name', `there are ${providers.map((one) => one.name).join(', ')}`);
}

async function checkProvider(entry: ProviderEntry, settings: Settings): Promise<Checked> {
  const loaded = await loadKeys(entry, settings);
  return { name: entry.name, from: loaded.from, fault: loaded.fault ?? null, ...compareOffered(entry, loaded) };
}

function describe(checked: Checked): string[] {
  const { name, from, fault, used, refusedKeys, exposedKeys } = checked;
  const list = (words: string, names: string[]) => (names.length === 0 ? [] : [`  ${words}: ${names.join(', ')}`]);
  return [
    `${name}: ${from.join(', ')}`,
    ...(fault === null ? [] : [`  FAILED: ${fault}`]),
    ...list(`${used.length} ${used.length === 1 ? 'key' : 'keys'} in use`, used.map(describeUsed)),
    ...refusedKeys.map((one) => `  refused: ${describeProblem(one)}`),
    ...exposedKeys.map((one) => `  warning: ${describeProblem(one)}`),
    ...list('its algorithms that are never accepted', checked.refusedAlgorithms),
    ...list('its algorithms that its entry leaves out', checked.leftOutAlgorithms),
    ...list('algorithms of its entry that it has no key for', checked.unservedAlgorithms),
  ];
}

function describeUsed({ kid, type, alg }: UsedKey): string {
  return `${kid ?? '(no kid)'} (${type}${alg === null ? '' : `, ${alg}`})`;
}

function describeProblem({ index, kid, problem }: JwkProblem): string {
  return `key ${index + 1}${kid === undefined ? '' : ` (${kid})`}: ${problem}`;
}
