// `keygate install`: puts the snippets and the bundle where an operator's nginx.conf includes them, and says which
// lines to add.

import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { Option, type Command } from 'commander';
import { headerNamesForm, parseHeaderNames } from '../../auth/credential_headers.js';
import type { InstalledNginx } from '../../nginx/runtime/installed_nginx.js';
import { compareSettings } from '../../nginx/placement/compare_settings.js';
import { installedFiles, packageVersion } from '../../nginx/installed_files.js';
import { readConfiguration, type Configuration } from '../../nginx/configuration/configuration.js';
import { adviceFor, linesToAdd, type Wanted } from '../../nginx/placement/lines_to_add.js';
import { readOperatorConfig } from '../../nginx/configuration/operator_config.js';
import { placeLines } from '../../nginx/placement/placed_lines.js';
import { auditInstall, type InstallAudit } from './audit_install.js';
import { checkFolder, explainUnknown, type Difference } from './check_folder.js';
import { chooseEngine, checkAccessGuard, type Choice } from './install_choice.js';
import { checkOptions, chooseNginx, type NginxOptions } from './install_nginx.js';
import { describeInstall, type Installed } from './install_report.js';
import { readInstalledLines, readListedLines } from './installed_providers.js';
import {
  planInstall,
  readFileOf,
  readInstallRecord,
  settingsFile,
  writeFolder,
  type Files,
  type Plan,
} from './installed_folder.js';
import { exitCodes, print } from '../output.js';
import { Fault } from '../../node/fault.js';

interface Options extends NginxOptions {
  mount?: string;
  decision?: string;
  prefix?: string;
  credentialHeaders?: string;
  dryRun?: boolean;
  check?: boolean;
  force?: boolean;
}

/** Adds the command to the program. */
export function addInstallCommand(program: Command): void {
  program
    .command('install')
    .description('put the files that your nginx.conf includes into a folder, and print the lines to add to it')
    .argument('[dir]', 'the folder', '/etc/nginx/keygate')
    .option('--check', 'change nothing; say what differs from what this version ships, with exit code 1 if anything')
    .option('--dry-run', 'change nothing; say what would be written, and the lines to add')
    .option('--nginx <path>', 'the nginx program', undefined)
    .option('--module <path>', 'its ngx_http_js_module.so')
    .option('--conf <file>', 'its configuration, where it is not the one that nginx takes by itself')
    .addOption(
      new Option('--engine <name>', 'the engine to bring the bundle for')
        .choices(['auto', 'qjs', 'njs'])
        .default('auto'),
    )
    .option('--decision <address>', 'where the decision server listens: 127.0.0.1:9147, or unix:/path')
    .option('--prefix <path>', 'what goes before the paths of routes.conf, such as /auth; /keygate unless it is given')
    .option(
      '--credential-headers <names>',
      'further headers in which a credential may stand, such as x-goog-api-key; separated by commas',
    )
    .option('--render', 'write the files for an nginx that is elsewhere, such as in a container; none is run')
    .option('--nginx-version <version>', 'with --render: its version, such as 1.30.6')
    .option('--njs <version>', 'with --render: the version of its njs, such as 1.0.2')
    .option('--dump <file>', 'with --render: its configuration, as `nginx -T` prints it')
    .option('--mount <path>', 'where nginx will have the folder, when that is not where it is written')
    .option('--force', 'install into a folder that has files of the same names from elsewhere; they are kept beside')
    .action(install);
}

async function install(given: string, options: Options, command: Command): Promise<void> {
  const misuse = checkOptions(options);
  if (misuse !== '') command.error(`error: ${misuse}`, { exitCode: exitCodes.usage });
  const folder = resolve(given);
  const dir = options.mount ?? folder;
  const record = readInstallRecord(folder);
  const nginx = await chooseNginx(options);
  const choice = chooseEngine(options.engine, nginx);
  const installation = {
    dir,
    engine: choice.engine,
    prefix: options.prefix ?? record?.prefix ?? '/keygate',
    nginxVersion: nginx.nginxVersion,
    hasTls: nginx.hasTls,
    decisionAddress: options.decision ?? record?.decision ?? '127.0.0.1:9147',
    ...(options.check === true ? readInstalledLines(folder) : readListedLines(folder)),
    credentialHeaders: readHeaders(options, command) ?? record?.credentialHeaders ?? [],
    decisionSecret: readSecretOf(folder) ?? randomBytes(16).toString('hex'),
  };
  const wanted = filesFor(installation, command);
  const configuration = nginx.configuration === undefined ? undefined : readConfiguration(nginx.configuration, dir);
  if (options.check === true) {
    const differences = checkFolder({ folder, installation, wanted, record, nginx, configuration });
    reportCheck(command, { dir: folder, engine: choice.engine }, differences);
    return;
  }
  const plan = planInstall(folder, wanted, record);
  refuseForeignFolder(folder, plan, record !== undefined || options.force === true);
  const isDry = options.dryRun === true;
  const { engine, prefix, decisionAddress: decision, credentialHeaders } = installation;
  const installed = { version: packageVersion(), engine, prefix, decision, credentialHeaders };
  const saved = isDry ? {} : writeFolder({ dir: folder, wanted, plan, record: installed });
  const audit = isDry ? undefined : auditInstall({ dir: folder, plan, before: record, installed });
  reportInstall(command, { folder, dir, nginx, configuration, choice, plan, saved, wanted, audit });
}

function reportCheck(
  command: Command,
  checked: Pick<Installed, 'dir'> & Pick<Choice, 'engine'>,
  differences: Difference[],
): void {
  const version = packageVersion();
  const where = ({ file, line }: Difference) => (line === undefined ? file : `${file}:${line}`);
  const lines = differences.map((one) => `${where(one)}: ${one.problem}`);
  if (lines.length === 0) lines.push(`${checked.dir}: as version ${version} ships it`);
  print(command, { ...checked, version, differences }, lines);
  if (differences.length === 0) return;
  const isAboutLines = differences.some(({ line }) => line !== undefined);
  throw new Fault(
    '',
    isAboutLines
      ? 'docs/embedding.md says more of each; `include open.conf;` in a location says that it is open on purpose'
      : undefined,
  );
}

function readHeaders({ credentialHeaders }: Options, command: Command): string[] | undefined {
  if (credentialHeaders === undefined) return undefined;
  const expected = `error: --credential-headers: expected ${headerNamesForm}`;
  return parseHeaderNames(credentialHeaders) ?? command.error(expected, { exitCode: exitCodes.usage });
}

// A second installation keeps the secret: a running nginx may use it.
function readSecretOf(dir: string): string | undefined {
  return /X-Keygate-Secret ([0-9a-f]{32});/.exec(readFileOf(dir, 'decision_secret.conf') ?? '')?.[1];
}

function filesFor(installation: Parameters<typeof installedFiles>[0], command: Command): Files {
  try {
    return installedFiles(installation);
  } catch (error) {
    return command.error(`error: ${(error as Error).message}`, { exitCode: exitCodes.usage });
  }
}

// Names such as http.conf are common: /etc/nginx itself, given by mistake, stays as it is.
function refuseForeignFolder(dir: string, { steps }: Plan, mayReplace: boolean): void {
  const foreign = Object.keys(steps).filter((name) => steps[name] === 'saved');
  if (mayReplace || foreign.length === 0) return;
  throw new Fault(
    `${dir} has files that keygate install did not put there: ${foreign.join(', ')}`,
    'choose an empty folder, or --force: they are then kept beside, as NAME.orig-TIME',
  );
}

interface Done {
  folder: string;
  dir: string;
  nginx: InstalledNginx;
  configuration: Configuration | undefined;
  choice: Choice;
  plan: Plan;
  saved: Files;
  wanted: Files;
  /** Undefined where nothing was to be changed. */
  audit: InstallAudit | undefined;
}

function reportInstall(command: Command, done: Done): void {
  const { folder, dir, nginx, choice, plan, saved, wanted, audit } = done;
  const current = readFileOf(folder, settingsFile) ?? (wanted[settingsFile] as string);
  const result = {
    dir: folder,
    version: packageVersion(),
    dryRun: audit === undefined,
    nginx: { version: nginx.nginxVersion, njs: nginx.njsVersion, module: nginx.modulePath },
    engine: choice.engine,
    reasons: [choice.reason],
    files: plan.steps,
    saved,
    leftOver: plan.leftOver,
    settings: compareSettings(current, wanted[settingsFile] as string),
    ...linesFor({ dir, modulePath: nginx.modulePath }, done),
    audited: audit?.audited ?? true,
    notes: audit?.notes ?? [],
  };
  print(command, result, describeInstall(result));
}

function linesFor(needed: Wanted, { nginx, configuration }: Done): Pick<Installed, 'places' | 'lines' | 'advice'> {
  if (configuration === undefined) {
    return {
      places: [],
      lines: linesToAdd(needed, undefined),
      advice: [explainUnknown(nginx), ...adviceFor(undefined)],
    };
  }
  const config = readOperatorConfig(configuration);
  const { places, lines, faults } = placeLines(needed, configuration);
  const bypass = checkAccessGuard(nginx, config);
  const toMend = faults.map(({ file, line, problem }) => `${file || 'nginx.conf'}:${line}: ${problem}`);
  return {
    places,
    lines,
    advice: [...(bypass === undefined ? [] : [bypass]), ...adviceFor(config), ...toMend],
  };
}
