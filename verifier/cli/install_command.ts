// `keygate install`: puts the snippets and the bundle where an operator's nginx.conf includes them, and says which
// lines to add.

import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { Option, type Command } from 'commander';
import { findInstalledNginx, type InstalledNginx } from '../../build/installed_nginx.js';
import { RuntimeFault } from '../../build/nginx_runtime.js';
import { compareSettings } from '../../nginx/compare_settings.js';
import { installedFiles, packageVersion } from '../../nginx/installed_files.js';
import { adviceFor, linesToAdd } from '../../nginx/lines_to_add.js';
import { readOperatorConfig, type OperatorConfig } from '../../nginx/operator_config.js';
import { checkFolder } from './check_folder.js';
import { chooseEngine, findBypass, type Choice } from './install_choice.js';
import { describeInstall } from './install_report.js';
import {
  planInstall,
  readFileOf,
  readRecord,
  settingsFile,
  writeFolder,
  type Files,
  type Plan,
} from './installed_folder.js';
import { CommandFault, exitCodes, print } from './output.js';

interface Options {
  engine: 'qjs' | 'njs' | 'auto';
  decision?: string;
  nginx?: string;
  module?: string;
  conf?: string;
  prefix?: string;
  dryRun?: boolean;
  check?: boolean;
  force?: boolean;
}

/** Adds the command to the program. */
export function addInstallCommand(program: Command): void {
  program
    .command('install')
    .description(
      'put the files that your nginx.conf includes into a folder, and print the lines to add to it',
    )
    .argument('[dir]', 'the folder', '/etc/nginx/keygate')
    .option(
      '--check',
      'change nothing; say what differs from what this version ships, with exit code 1 if anything',
    )
    .option('--dry-run', 'change nothing; say what would be written, and the lines to add')
    .option('--nginx <path>', 'the nginx program', undefined)
    .option('--module <path>', 'its ngx_http_js_module.so')
    .option('--conf <file>', 'its configuration, where it is not the one that nginx takes by itself')
    .addOption(
      new Option('--engine <name>', 'the engine to bring the bundle for')
        .choices(['auto', 'qjs', 'njs'])
        .default('auto'),
    ) // prettier-ignore
    .option('--decision <address>', 'where the decision server listens: 127.0.0.1:9147, or unix:/path')
    .option('--prefix <path>', 'what goes before the paths of routes.conf, such as /auth; /keygate unless it is given')
    .option(
      '--force',
      'install into a folder that has files of the same names from elsewhere; they are kept beside',
    )
    .action(install);
}

async function install(given: string, options: Options, command: Command): Promise<void> {
  const dir = resolve(given);
  const record = readRecord(dir);
  const { nginx, config } = await lookAtNginx(options);
  const choice = chooseEngine(options.engine, nginx);
  const installation = {
    dir,
    engine: choice.engine,
    prefix: options.prefix ?? record?.prefix ?? '/keygate',
    nginxVersion: nginx.nginxVersion,
    decisionAddress: options.decision ?? record?.decision ?? '127.0.0.1:9147',
    decisionSecret: readSecretOf(dir) ?? randomBytes(16).toString('hex'),
  };
  const wanted = filesFor(installation, command);
  if (options.check === true) {
    const differences = checkFolder({ installation, wanted, record, nginx, config });
    const lines = differences.length === 0 ? [`${dir}: as version ${packageVersion()} ships it`] : differences.map((one) => `${one.file}: ${one.problem}`); // prettier-ignore
    print(command, { dir, version: packageVersion(), engine: choice.engine, differences }, lines);
    if (differences.length > 0) throw new CommandFault('');
    return;
  }
  const plan = planInstall(dir, wanted, record);
  refuseForeignFolder(dir, plan, record !== undefined || options.force === true);
  const isDry = options.dryRun === true;
  const { engine, prefix, decisionAddress: decision } = installation;
  const installed = { version: packageVersion(), engine, prefix, decision };
  const saved = isDry ? {} : writeFolder({ dir, wanted, plan, record: installed });
  report(command, { dir, nginx, config, choice, plan, saved, wanted, isDry });
}

// An installation keeps its secret: nginx may run with it.
function readSecretOf(dir: string): string | undefined {
  return /X-Keygate-Secret ([0-9a-f]{32});/.exec(readFileOf(dir, 'decision_secret.conf') ?? '')?.[1];
}

async function lookAtNginx(
  options: Options,
): Promise<{ nginx: InstalledNginx; config: OperatorConfig | undefined }> {
  try {
    const nginx = await findInstalledNginx({
      program: options.nginx,
      module: options.module,
      configuration: options.conf,
    });
    const { configuration } = nginx;
    return { nginx, config: configuration === undefined ? undefined : readOperatorConfig(configuration) };
  } catch (error) {
    if (error instanceof RuntimeFault) throw new CommandFault(error.message);
    throw error;
  }
}

function filesFor(installation: Parameters<typeof installedFiles>[0], command: Command): Files {
  try {
    return installedFiles(installation);
  } catch (error) {
    return command.error(`error: ${(error as Error).message}`, { exitCode: exitCodes.usage });
  }
}

// Names such as server.conf are common: /etc/nginx itself, given by mistake, stays as it is.
function refuseForeignFolder(dir: string, { steps }: Plan, mayReplace: boolean): void {
  const foreign = Object.keys(steps).filter((name) => steps[name] === 'saved');
  if (mayReplace || foreign.length === 0) return;
  throw new CommandFault(`${dir} has files that keygate install did not put there: ${foreign.join(', ')}`, 'choose an empty folder, or --force: they are then kept beside, as NAME.orig-TIME'); // prettier-ignore
}

interface Done {
  dir: string;
  nginx: InstalledNginx;
  config: OperatorConfig | undefined;
  choice: Choice;
  plan: Plan;
  saved: Files;
  wanted: Files;
  isDry: boolean;
}

function report(command: Command, done: Done): void {
  const { dir, nginx, config, choice, plan, saved, wanted, isDry } = done;
  const lines = linesToAdd({ dir, modulePath: nginx.modulePath }, config);
  const current = readFileOf(dir, settingsFile) ?? (wanted[settingsFile] as string);
  const settings = compareSettings(current, wanted[settingsFile] as string);
  const bypass = findBypass(nginx, config);
  const advice = [...(bypass === undefined ? [] : [bypass]), ...adviceFor(config)];
  if (config === undefined) advice.unshift(`nginx -T did not work, so your configuration was not looked at: ${nginx.configurationFault}`); // prettier-ignore
  const result = {
    dir,
    version: packageVersion(),
    dryRun: isDry,
    nginx: { version: nginx.nginxVersion, njs: nginx.njsVersion, module: nginx.modulePath },
    engine: choice.engine,
    reasons: [choice.reason],
    files: plan.steps,
    saved,
    leftOver: plan.leftOver,
    settings,
    lines,
    advice,
  };
  print(command, result, describeInstall(result));
}
