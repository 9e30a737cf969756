// `keygate install --check`: what an installed folder has other than this version ships, and which of its lines stand in
// the wrong place.

import { compareSettings } from '../../nginx/compare_settings.js';
import { installedFiles, packageVersion, type Installation } from '../../nginx/installed_files.js';
import { checkPlacement } from '../../nginx/placement.js';
import type { InstalledNginx } from '../../build/installed_nginx.js';
import type { OperatorConfig } from '../../nginx/operator_config.js';
import { findBypass } from './install_choice.js';
import {
  digest,
  planInstall,
  readFileOf,
  settingsFile,
  type Files,
  type Record,
} from './installed_folder.js';

export interface Difference {
  file: string;
  problem: string;
}

export interface Checked {
  installation: Installation;
  wanted: Files;
  record: Record | undefined;
  nginx: InstalledNginx;
  config: OperatorConfig | undefined;
}

/** @returns every difference; none when installing would change nothing */
export function checkFolder({ installation, wanted, record, nginx, config }: Checked): Difference[] {
  const { dir } = installation;
  const differences: Difference[] = [];
  const note = (file: string, problem: string) => differences.push({ file, problem });
  const { steps, leftOver } = planInstall(dir, wanted, record);
  if (record === undefined) note(dir, 'keygate install has not been run for this folder');
  else if (record.version !== packageVersion()) {
    note(dir, `version ${record.version}; this is ${packageVersion()}`);
  }
  for (const [name, step] of Object.entries(steps)) {
    const current = readFileOf(dir, name);
    if (current === undefined) note(name, 'missing');
    else if (name === settingsFile)
      compareSettings(current, wanted[name] as string).forEach((line) => note(name, line)); // prettier-ignore
    else if (isOtherBundle(name, current, installation))
      note(name, `the bundle for the other engine: nginx runs it on ${installation.engine}`); // prettier-ignore
    else if (step === 'saved') note(name, 'changed by hand');
    else if (step === 'updated') note(name, 'not as this version ships it');
  }
  for (const name of leftOver) note(name, 'no longer part of Keygate');
  const fault = nginx.configurationFault;
  if (fault.includes(dir)) note(dir, `nginx refuses its configuration: ${fault}`);
  const bypass = findBypass(nginx, config);
  if (bypass !== undefined) note('guard_access.conf', bypass);
  for (const line of checkPlacement(nginx.configuration ?? '', dir)) note('nginx.conf', line);
  return differences;
}

function isOtherBundle(name: string, text: string, installation: Installation): boolean {
  if (name !== 'keygate.js') return false;
  const engine = installation.engine === 'qjs' ? 'njs' : 'qjs';
  return digest(text) === digest(installedFiles({ ...installation, engine })['keygate.js'] as string);
}
