// `keygate install --check`: where an installed folder differs from what this version ships, and the faults of the
// operator's configuration.

import { compareSettings } from '../../nginx/placement/compare_settings.js';
import { installedFiles, packageVersion, type Installation } from '../../nginx/installed_files.js';
import type { Configuration } from '../../nginx/configuration/configuration.js';
import { readOperatorConfig } from '../../nginx/configuration/operator_config.js';
import { checkPlacement } from '../../nginx/placement/placement.js';
import { bundles } from '../../nginx/snippet_files.js';
import { oneQuestion } from '../../nginx/placement/answers.js';
import type { InstalledNginx } from '../../nginx/runtime/installed_nginx.js';
import { checkAccessGuard } from './install_choice.js';
import { checkProviders } from './installed_providers.js';
import { digest, planInstall, readFileOf, settingsFile, type Files, type Record } from './installed_folder.js';

export interface Difference {
  file: string;
  /** The line to blame, where there is such a line. */
  line?: number;
  problem: string;
}

export interface Checked {
  /** Where the files are; nginx may see them at another path (--mount). */
  folder: string;
  installation: Installation;
  wanted: Files;
  record: Record | undefined;
  nginx: InstalledNginx;
  configuration: Configuration | undefined;
}

/** @returns every difference; empty when installing would change nothing and the configuration has no fault */
export function checkFolder(checked: Checked): Difference[] {
  const { folder, record, nginx, configuration } = checked;
  const differences: Difference[] = [];
  if (record === undefined)
    differences.push({ file: folder, problem: 'keygate install has not been run for this folder' });
  else if (record.version !== packageVersion()) {
    differences.push({ file: folder, problem: `version ${record.version}; this is ${packageVersion()}` });
  }
  differences.push(...compareFiles(checked), ...checkProviders(folder));
  if (configuration === undefined) return [...differences, { file: 'nginx.conf', problem: explainUnknown(nginx) }];
  const bypass = checkAccessGuard(nginx, readOperatorConfig(configuration));
  if (bypass !== undefined) differences.push({ file: 'guard_access.conf', problem: bypass });
  for (const { file, line, problem } of checkPlacement(configuration)) {
    differences.push({ file: file || 'nginx.conf', line, problem });
  }
  return differences;
}

function compareFiles({ folder, installation, wanted, record }: Checked): Difference[] {
  const { steps, leftOver } = planInstall(folder, wanted, record);
  const differences = Object.entries(steps).flatMap(([file, step]) => {
    const current = readFileOf(folder, file);
    const settings =
      file === settingsFile && current !== undefined ? compareSettings(current, wanted[file] as string) : [];
    const changed: { [step: string]: string } = {
      saved: 'changed by hand',
      updated: 'not as this version ships it',
    };
    const problem =
      current === undefined
        ? 'missing'
        : isOtherBundle(file, current, installation)
          ? `the bundle for the other engine: nginx runs it on ${installation.engine}`
          : file === settingsFile
            ? undefined
            : changed[step];
    return [...settings, ...(problem === undefined ? [] : [problem])].map((one) => ({ file, problem: one }));
  });
  return [...differences, ...leftOver.map((file) => ({ file, problem: 'no longer part of Keygate' }))];
}

const cures: [RegExp, string][] = [
  [/"map_hash_\w+" directive is duplicate/, 'it must come before `include http.conf`, which has maps'],
  [/"auth_request" directive is duplicate/, oneQuestion],
  [/"satisfy" directive is duplicate/, 'guard.conf and its kin have `satisfy all`: take yours out'],
];

/** Says why a configuration was not checked, with a cure where there is one. */
export function explainUnknown({ configurationFault, command }: InstalledNginx): string {
  const cure = cures.find(([pattern]) => pattern.test(configurationFault))?.[1];
  const why = command.length === 0 ? configurationFault : `nginx -T did not work: ${configurationFault}`;
  return `your configuration was not looked at: ${why}${cure === undefined ? '' : ` (${cure})`}`;
}

function isOtherBundle(name: string, text: string, installation: Installation): boolean {
  if (!bundles.some((bundle) => name === `${bundle}.js`)) return false;
  const engine = installation.engine === 'qjs' ? 'njs' : 'qjs';
  return digest(text) === digest(installedFiles({ ...installation, engine })[name] as string);
}
